// Answers where there is no network: a page of the app that cannot be loaded becomes offline.html,
// which shows the cached check-in code. Nothing else is touched, and nothing else is kept.
"use strict";

const KEPT = "mg-offline-{version}";
const FILES = ["offline.html", "link.js"];

self.addEventListener("install", (event) => {
  const taken = caches.open(KEPT).then((kept) =>
    kept.addAll(FILES.map((name) => new Request(name, { cache: "no-cache" }))));
  event.waitUntil(taken.then(() => self.skipWaiting()));
});

self.addEventListener("activate", (event) => {
  const old = caches.keys().then((names) => Promise.all(
    names.filter((name) => name.startsWith("mg-offline-") && name !== KEPT)
      .map((name) => caches.delete(name))));
  event.waitUntil(old.then(() => self.clients.claim()));
});

self.addEventListener("fetch", (event) => {
  const isPage = event.request.mode === "navigate";
  const name = isPage ? "offline.html" : new URL(event.request.url).pathname.split("/").pop();
  if (event.request.method !== "GET" || !(isPage || name === "link.js")) return;
  event.respondWith(fetch(event.request).catch((fault) =>
    caches.match(new URL(name, self.registration.scope)).then((found) => {
      if (found) return found;
      throw fault;
    })));
});
