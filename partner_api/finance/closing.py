"""Closing: manual entries, energy and packs at cost, currencies."""

from ledger.domain.book_values import AdjustBookValue
from ledger.domain.ending import WriteOffPack
from ledger.domain.liens import PlaceLien, ReleaseLien
from ledger.domain.money.asset_ends import EndAsset, RecapitalisePack
from ledger.domain.money.asset_rows import ASSET_POLICIES, ASSETS
from ledger.domain.money.depreciation import (
    CapitalisePack,
    CapitaliseRepair,
    DepreciatePack,
    ReleaseAssetPolicy,
)
from ledger.domain.money.energy_pool import ENERGY_POOLS
from ledger.domain.money.energy_trade import (
    ENERGY_PURCHASES,
    BuyEnergy,
    CorrectEnergyPurchase,
    SellEnergy,
)
from ledger.domain.money.fx import ExchangeMoney, RevaluePair
from ledger.domain.money.manual_entries import (
    MANUAL_ENTRIES,
    PostManualEntry,
    ReverseManualEntry,
)
from partner_api.finance.making import commands, lists, reads

ROUTES = (
    commands("/entries", "post_manual_entry", "Post by hand.", PostManualEntry, by_two=True),
    lists("/manual-entries", "list_manual_entries", "List entries by hand.", MANUAL_ENTRIES),
    commands(
        "/manual-entries/{reversed_id:str}/reverse",
        "reverse_manual_entry",
        "Take an entry by hand back, exactly.",
        ReverseManualEntry,
        by_two=True,
    ),
    lists("/energy-purchases", "list_energy_purchases", "List them.", ENERGY_PURCHASES),
    commands("/energy-purchases", "buy_energy", "Book bought energy.", BuyEnergy),
    commands(
        "/energy-purchases/{purchase_id:str}/correct",
        "correct_energy_purchase",
        "Correct the price of bought energy.",
        CorrectEnergyPurchase,
    ),
    commands("/energy-sales", "sell_energy", "Book energy sold to the grid.", SellEnergy),
    lists("/energy-pools", "list_energy_pools", "Energy in stock at cost.", ENERGY_POOLS),
    lists("/asset-values", "list_asset_values", "Packs with cost and depreciation.", ASSETS),
    reads("/asset-values/{pack_id:str}", "read_asset_value", "Give a pack's value.", ASSETS),
    commands("/asset-values", "capitalise_pack", "Book a pack at cost.", CapitalisePack),
    commands(
        "/asset-values/{pack_id:str}/repairs",
        "capitalise_repair",
        "Add the parts of a repair to the cost.",
        CapitaliseRepair,
    ),
    commands(
        "/asset-values/{pack_id:str}/depreciation",
        "depreciate_pack",
        "Depreciate a pack by its verified health.",
        DepreciatePack,
    ),
    commands("/asset-values/{pack_id:str}/end", "end_asset", "Take a pack out.", EndAsset),
    commands(
        "/asset-values/{pack_id:str}/recapitalise",
        "recapitalise_pack",
        "Take a pack that was found again back in.",
        RecapitalisePack,
    ),
    commands(
        "/asset-values/{pack_id:str}/book-value",
        "adjust_book_value",
        "Say what a pack is worth to its holder.",
        AdjustBookValue,
    ),
    commands(
        "/asset-values/{pack_id:str}/write-off",
        "write_off_pack",
        "Write a lost pack off.",
        WriteOffPack,
    ),
    commands(
        "/asset-values/{pack_id:str}/liens",
        "place_lien",
        "Note a bank's claim on a pack.",
        PlaceLien,
        by_two=True,
    ),
    commands(
        "/asset-values/{pack_id:str}/liens/{lien_id:str}/release",
        "release_lien",
        "Note that a bank's claim has ended.",
        ReleaseLien,
        by_two=True,
    ),
    lists("/asset-policies", "list_asset_policies", "List policies.", ASSET_POLICIES),
    commands("/asset-policies", "release_asset_policy", "Release one.", ReleaseAssetPolicy),
    commands("/exchanges", "exchange_money", "Book an exchange of currencies.", ExchangeMoney),
    commands("/revaluations", "revalue_pair", "Revalue a currency at a close.", RevaluePair),
)
