// The live half of every page. Without this file the pages work, and only reading is live no more.
"use strict";

const tell = (name, detail) => document.body.dispatchEvent(new CustomEvent(name, { detail }));
// a text in the reader's language; {} stands for a fact
const t = (() => {
  const known = JSON.parse((document.querySelector("meta[name=texts]") || { content: "{}" }).content);
  return (text, ...facts) => (known[text] || text).replace(/\{\}/g, () => facts.shift());
})();
const byId = (id) => document.getElementById(id);

let reloading = 0;
// several changes at once are one look; a page in the background looks when it is seen again
const reload = () => {
  clearTimeout(reloading);
  reloading = setTimeout(() => {
    if (document.hidden) document.addEventListener("visibilitychange", reload, { once: true });
    else tell("zedops:reload");
  }, 150);
};

const say = (id, text) => {
  const place = byId(id);
  if (!place) return;
  if (place.textContent !== text) place.textContent = text;
  place.hidden = !text;
};

const fragment = (html) => {
  const made = document.createElement("template");
  made.innerHTML = html; // made by the page's own templates, which escape every value
  return made.content.firstElementChild;
};

const showRow = ({ key, status, html }) => {
  tell(`zedops:row-${key}`);
  const list = document.querySelector("[data-live=rows]");
  if (!list) return;
  const old = byId(key);
  if (!old || old.dataset.status !== status) reload(); // it may be sorted or filtered differently now
  if (!old || old.tagName !== "TR") return;
  const made = fragment(html);
  const picked = old.querySelector("input[type=checkbox]");
  if (picked && picked.checked) made.querySelector("input[type=checkbox]").checked = true;
  const focused = old.contains(document.activeElement) ? document.activeElement.id : "";
  old.replaceWith(made);
  window.htmx.process(made);
  if (focused && byId(focused)) byId(focused).focus();
};

const goneRow = ({ key }) => {
  tell(`zedops:row-${key}`);
  if (byId(key)) reload();
};

const showFleet = ({ silent, trouble, commit }) => {
  say("stream", trouble ? t("The facts below may be out of date: {}", trouble) : "");
  document.body.classList.toggle("stale", Boolean(trouble));
  const before = byId("silent") ? byId("silent").textContent : "";
  say("silent", silent.length ? t("Not answering: {}. The last facts stand.", silent.join(", ")) : "");
  if (byId("silent") && byId("silent").textContent !== before) reload();
  if (byId("commit")) byId("commit").textContent = commit;
};

const follow = () => {
  const place = byId("stream");
  if (!place) return;
  let stamp = place.dataset.since;
  let stream = null;
  const open = () => {
    stream = new EventSource(`/live?since=${encodeURIComponent(stamp)}`);
    const on = (kind, act) => stream.addEventListener(kind, (event) => {
      stamp = event.lastEventId || stamp;
      place.dataset.since = stamp;
      if (event.data) act(JSON.parse(event.data));
    });
    on("row", showRow);
    on("gone", goneRow);
    on("fleet", showFleet);
    stream.addEventListener("reset", (event) => {
      stamp = event.lastEventId || stamp;
      say("stream", "");
      document.body.classList.remove("stale");
      reload();
    });
    stream.onopen = () => {
      if (document.body.classList.contains("lost")) {
        document.body.classList.remove("lost", "stale");
        say("stream", "");
        reload();
      }
    };
    stream.onerror = () => {
      document.body.classList.add("lost", "stale");
      say("stream", t("The connection to zedops is lost. What is shown may be out of date; trying again."));
      if (stream.readyState === EventSource.CLOSED) setTimeout(open, 2000);
    };
  };
  open();
  addEventListener("pagehide", () => stream && stream.close());
};

const words = (seconds) => {
  const units = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
  const [unit, size] = units.find(([, each]) => seconds >= each) || units[3];
  return `${Math.floor(seconds / size)} ${unit}`;
};

const age = () => {
  for (const each of document.querySelectorAll("time[datetime]")) {
    if (!each.title || each.dataset.local) continue;
    const at = new Date(each.getAttribute("datetime"));
    const text = words(Math.max(0, (Date.now() - at) / 1000));
    if (each.textContent !== text) each.textContent = text;
  }
};

// a moment as the reader's system writes it; the ISO form stays beside it
const local = () => {
  const written = new Intl.DateTimeFormat(navigator.languages, {
    year: "numeric", month: "short", day: "numeric", hour: "numeric", minute: "2-digit", second: "2-digit", timeZoneName: "short",
  });
  for (const each of document.querySelectorAll("time[datetime]:not([title])")) {
    const at = each.getAttribute("datetime");
    if (each.textContent !== at || Number.isNaN(Date.parse(at))) continue;
    each.title = at;
    each.dataset.local = "yes";
    each.textContent = written.format(new Date(at));
  }
};

const ripen = () => {
  for (const each of document.querySelectorAll("[data-from]")) each.hidden = new Date(each.dataset.from) > Date.now();
};

const show = () => {
  const dialog = document.querySelector("#dialog dialog");
  if (dialog && !dialog.open) dialog.showModal();
};

document.addEventListener("DOMContentLoaded", () => {
  const form = document.querySelector("form[data-send=now]");
  if (form) form.requestSubmit();
  follow();
  local();
  setInterval(() => { age(); ripen(); }, 20000);
  document.body.addEventListener("htmx:afterSwap", (event) => {
    local();
    if (event.detail.target.id === "dialog") show();
  });
  document.body.addEventListener("click", (event) => {
    if (event.target.closest("[data-close]") && event.target.closest("dialog")) {
      event.preventDefault();
      byId("dialog").replaceChildren();
    }
  });
});
