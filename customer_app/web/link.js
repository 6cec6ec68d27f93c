// The app's life line, outside of the canvas: it watches the socket, says when the connection is
// gone, shows the cached check-in code then, and loads the page anew once the service answers.
// No dependency; words in the language of the app; texts are set as text, never as markup.
(function () {
  "use strict";

  var WAIT_MS = 2000, PROBE_MS = 2000, TICK_MS = 1000;
  var HEALTH = "_health";
  var WORDS = {
    en: {
      reconnecting: "Reconnecting…",
      none: "No connection",
      hint: "The app comes back by itself when the connection is there.",
      code: "Check-in code",
      until: function (time) { return "No connection. This code still works until " + time + "."; },
      expired: "This code has run out. Go to the station's own screen or call.",
      next: "Next code",
      call: function (phone) { return "Call " + phone; },
      seen: function (age) { return "Stations as seen " + age + " min ago"; },
      ready: function (count) { return count + " ready"; },
      back: "Back online"
    },
    zh: {
      reconnecting: "正在重新连接……",
      none: "无网络连接",
      hint: "连接恢复后，应用会自动继续。",
      code: "换电码",
      until: function (time) { return "无网络。此码在 " + time + " 前仍然有效。"; },
      expired: "此码已过期。请使用站内屏幕或致电。",
      next: "下一个码",
      call: function (phone) { return "致电 " + phone; },
      seen: function (age) { return age + " 分钟前的换电站数据"; },
      ready: function (count) { return count + " 块可用"; },
      back: "已恢复连接"
    }
  };

  // What the app keeps on the device -------------------------------------------------------------

  function kept(key) {
    // the app's store writes texts as JSON, and ours are JSON themselves
    try {
      var text = JSON.parse(localStorage.getItem("flutter." + key));
      return typeof text === "string" && /^[\[{]/.test(text) ? JSON.parse(text) : text;
    } catch (_) {
      return null;
    }
  }

  function language() {
    var set = kept("mg.lang");
    var tag = typeof set === "string" && set ? set : navigator.language || "en";
    return tag.toLowerCase().indexOf("zh") === 0 ? "zh" : "en";
  }

  function words() { return WORDS[language()]; }

  function isPicture(text) {
    return typeof text === "string" && text.indexOf("data:image/png;base64,") === 0;
  }

  function codes() {
    var found = kept("mg.code");
    var list = found && Array.isArray(found.codes) ? found.codes : [];
    return {
      station: String((found && found.station) || ""),
      slot: String((found && found.slot) || ""),
      phone: String((found && found.phone) || ""),
      had: list.length > 0,
      valid: list.filter(function (one) {
        return one && isPicture(one.png) && Date.parse(one.valid_until) > Date.now();
      })
    };
  }

  function clock(text) {
    var time = new Date(text);
    return ("0" + time.getHours()).slice(-2) + ":" + ("0" + time.getMinutes()).slice(-2);
  }

  // What is shown --------------------------------------------------------------------------------

  var STYLE =
    "#mg-link{position:fixed;left:0;right:0;top:0;z-index:2147483000;font:400 16px/24px Roboto," +
    "'Noto Sans SC','PingFang SC','Microsoft YaHei',sans-serif;color:#171D1B}" +
    "#mg-link .bar{background:#4A6360;color:#fff;padding:8px 16px;text-align:center}" +
    "#mg-link .full{position:fixed;inset:0;background:#F4FBF8;overflow:auto;display:flex;" +
    "flex-direction:column;align-items:center;gap:16px;padding:24px 16px;box-sizing:border-box;" +
    "text-align:center}" +
    "#mg-link h1{font:400 24px/32px Roboto,'Noto Sans SC',sans-serif;margin:8px 0 0}" +
    "#mg-link p{margin:0;max-width:480px}" +
    "#mg-link .qr{background:#fff;padding:16px;border-radius:12px}" +
    "#mg-link .qr img{display:block;width:min(80vw,320px);height:auto;image-rendering:pixelated}" +
    "#mg-link button,#mg-link a{min-height:48px;min-width:48px;padding:0 24px;border-radius:24px;" +
    "border:1px solid #6F7976;background:none;color:#00504A;font:inherit;display:inline-flex;" +
    "align-items:center;text-decoration:none;cursor:pointer}" +
    "#mg-link a{background:#00695F;color:#fff;border:0}" +
    "#mg-link ul{list-style:none;margin:0;padding:0;width:100%;max-width:480px;text-align:left}" +
    "#mg-link li{display:flex;justify-content:space-between;gap:16px;padding:12px 0;" +
    "border-bottom:1px solid #BEC9C5}" +
    "@media (prefers-color-scheme:dark){#mg-link{color:#DDE4E1}#mg-link .full{background:#0E1513}" +
    "#mg-link button{color:#82D5C8;border-color:#899390}#mg-link li{border-color:#3F4946}}";

  var host = null, at = 0, shown = "";

  function make(parent, name, text, kind) {
    var one = document.createElement(name);
    if (text) one.textContent = text;
    if (kind) one.className = kind;
    parent.appendChild(one);
    return one;
  }

  function clear() {
    if (host) host.remove();
    host = null;
    shown = "";
  }

  function open(kind) {
    clear();
    host = document.createElement("div");
    host.id = "mg-link";
    host.setAttribute("role", "status");
    host.setAttribute("aria-live", "polite");
    make(host, "style", STYLE);
    document.documentElement.appendChild(host);
    return make(host, "div", "", kind);
  }

  function show() {
    var found = codes();
    var one = found.valid.length ? found.valid[at % found.valid.length] : null;
    var key = [language(), one ? one.valid_until : found.had ? "expired" : "none"].join();
    if (key === shown) return;
    if (one) showCode(found, one);
    else if (found.had && onCodeScreen()) showExpired(found);
    else showList();
    shown = key;
  }

  function onCodeScreen() { return /\/code$/.test(location.pathname); }

  function showCode(found, one) {
    var box = open("full"), say = words();
    make(box, "h1", say.code);
    make(box, "p", [found.station, found.slot].filter(Boolean).join(" · "));
    var frame = make(box, "div", "", "qr");
    var picture = make(frame, "img");
    picture.src = one.png;
    picture.alt = say.code;
    make(box, "p", say.until(clock(one.valid_until)));
    if (found.valid.length > 1) {
      make(box, "button", say.next).onclick = function () { at += 1; shown = ""; show(); };
    }
    call(box, found.phone);
  }

  function showExpired(found) {
    var box = open("full");
    make(box, "h1", words().code);
    make(box, "p", words().expired);
    call(box, found.phone);
  }

  function call(box, phone) {
    if (phone) make(box, "a", words().call(phone)).href = "tel:" + phone.replace(/[^+\d]/g, "");
  }

  function showList() {
    var list = kept("mg.stations"), say = words();
    var rows = list && Array.isArray(list.items) ? list.items.slice(0, 24) : [];
    if (!rows.length) {
      make(open("bar"), "span", say.reconnecting);
      return;
    }
    var box = open("full");
    make(box, "h1", say.none);
    make(box, "p", say.hint);
    var age = Math.max(0, Math.round((Date.now() - Date.parse(list.as_of)) / 60000));
    if (age === age) make(box, "p", say.seen(age));
    var rowsBox = make(box, "ul");
    rows.forEach(function (row) {
      var line = make(rowsBox, "li");
      make(line, "span", String(row.name || ""));
      make(line, "span", row.ready === undefined ? "" : say.ready(row.ready));
    });
  }

  // The socket -----------------------------------------------------------------------------------

  var lostAt = 0, leaving = false, timer = 0, probing = false;

  function lost() {
    if (leaving || lostAt) return;
    lostAt = Date.now();
    timer = setInterval(tick, TICK_MS);
    setTimeout(tick, WAIT_MS);
  }

  function found() {
    if (!lostAt) return;
    lostAt = 0;
    clearInterval(timer);
    clear();
  }

  var probedAt = 0;

  function tick() {
    if (!lostAt || leaving || Date.now() - lostAt < WAIT_MS) return;
    show();
    if (Date.now() - probedAt >= PROBE_MS) probe();
  }

  function probe() {
    if (!lostAt || probing || leaving) return;
    probing = true;
    probedAt = Date.now();
    fetch(new URL(HEALTH, document.baseURI), { cache: "no-store" }).then(function (answer) {
      if (answer.ok && lostAt) {
        leaving = true;
        sessionStorage.setItem("mg.back", "1");
        location.reload();
      }
    }).catch(function () { /* still gone: the next round asks again */ }).finally(function () {
      probing = false;
    });
  }

  function sayBack() {
    if (!sessionStorage.getItem("mg.back")) return;
    sessionStorage.removeItem("mg.back");
    make(open("bar"), "span", words().back);
    setTimeout(function () { if (!lostAt) clear(); }, WAIT_MS);
  }

  var Plain = window.WebSocket;

  function Watched(url, protocols) {
    var socket = protocols === undefined ? new Plain(url) : new Plain(url, protocols);
    if (new URL(url, location.href).pathname === new URL("ws", document.baseURI).pathname) {
      socket.addEventListener("open", function () { found(); sayBack(); });
      socket.addEventListener("close", lost);
    }
    return socket;
  }
  Watched.prototype = Plain.prototype;
  ["CONNECTING", "OPEN", "CLOSING", "CLOSED"].forEach(function (name) {
    Watched[name] = Plain[name];
  });
  window.WebSocket = Watched;

  window.addEventListener("pagehide", function () { leaving = true; });
  window.addEventListener("pageshow", function () { leaving = false; });
  window.addEventListener("online", probe);
  document.addEventListener("visibilitychange", function () { if (!document.hidden) probe(); });

  // The page that stands in for the app's own when that cannot be loaded ---------------------------

  if (document.documentElement.hasAttribute("data-offline")) {
    lost();
    lostAt -= WAIT_MS;  // nothing will open a socket here: there is nothing to wait for
    tick();
  } else if (navigator.serviceWorker) {
    window.addEventListener("load", function () {
      navigator.serviceWorker.register("sw.js").catch(function () { /* then without it */ });
    });
  }
})();
