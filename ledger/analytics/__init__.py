"""What packs and the network did, in figures for people; reads only, decides nothing."""
