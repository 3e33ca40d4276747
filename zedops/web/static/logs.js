// The live half of the logs page: new lines, older lines on demand, pause. Without it the links work.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const MOST = 3000; // lines in the page
  const HELD = 1000; // lines that wait while the page is paused
  const log = document.getElementById("log");
  const list = document.getElementById("lines");
  const pause = document.getElementById("pause");
  const more = document.getElementById("more");
  const newest = document.getElementById("newest");
  if (!log || !list) return;

  let held = []; // what came while paused
  let left = 0; // how many of them had to go
  let stopped = false; // by the button
  let cut = false; // lines at the end were dropped for older ones
  let loading = false;

  const isAtEnd = () => log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  const toEnd = () => { log.scrollTop = log.scrollHeight; };
  const made = (html) => {
    const place = document.createElement("template");
    place.innerHTML = html; // made by the page's own templates, which escape every value
    return [...place.content.children].filter((each) => !each.id || !document.getElementById(each.id));
  };

  const tellHeld = () => {
    const count = held.length + left;
    more.hidden = !count && !cut;
    newest.textContent = cut ? t("Newest lines")
      : t(left ? "more than {} new lines" : held.length === 1 ? "{} new line" : "{} new lines", held.length);
  };

  const append = (items) => {
    list.append(...items);
    while (list.childElementCount > MOST) list.firstElementChild.remove();
  };

  const flush = () => {
    if (cut || left) { location.assign(`/logs?${log.dataset.servers}`); return; }
    append(held);
    held = [];
    tellHeld();
    toEnd();
  };

  const take = ({ html }) => {
    const known = new Set(held.map((each) => each.id));
    const items = made(html).filter((each) => !each.id || !known.has(each.id));
    const empty = document.querySelector(".empty");
    if (empty) empty.remove();
    if (stopped || cut || !isAtEnd()) {
      held.push(...items);
      if (held.length > HELD) { left += held.length - HELD; held = held.slice(-HELD); }
      tellHeld();
      return;
    }
    append(items);
    toEnd();
  };

  const state = ({ said }) => {
    const place = document.getElementById("tail-state");
    place.textContent = said;
    place.hidden = !said;
  };

  const older = async () => {
    const place = document.getElementById("older");
    const before = place && place.dataset.before;
    if (!before || loading) return;
    loading = true;
    try {
      const link = place.querySelector("a[rel=prev]");
      const answer = await fetch(`${link ? link.getAttribute("href") : ""}&part=1`);
      if (!answer.ok) return;
      const page = document.createElement("template");
      page.innerHTML = await answer.text();
      const height = log.scrollHeight - log.scrollTop;
      const items = [...page.content.querySelectorAll("#lines > li")];
      list.prepend(...items.filter((each) => !each.id || !document.getElementById(each.id)));
      place.replaceWith(page.content.querySelector("#older"));
      log.scrollTop = log.scrollHeight - height;
      while (list.childElementCount > MOST) { list.lastElementChild.remove(); cut = true; }
      tellHeld();
    } finally {
      loading = false;
    }
  };

  log.addEventListener("scroll", () => {
    if (log.scrollTop < 200) older();
    if (!stopped && !cut && isAtEnd() && held.length) flush();
  });
  log.addEventListener("click", (event) => {
    if (event.target.closest("a[rel=prev]")) { event.preventDefault(); older(); }
  });
  newest.addEventListener("click", () => { stopped = false; pause.textContent = t("Pause"); flush(); });
  pause.addEventListener("click", () => {
    stopped = !stopped;
    pause.textContent = stopped ? t("Go on") : t("Pause");
    if (!stopped) flush();
  });

  const target = list.querySelector(".target");
  if (target) target.scrollIntoView({ block: "center" });
  else toEnd();
  if (!log.dataset.live) return;
  pause.hidden = false;

  let stream = null;
  let last = "";
  const open = () => {
    stream = new EventSource(`/logs/live?${log.dataset.live}${last ? `&last=${encodeURIComponent(last)}` : ""}`);
    const on = (kind, act) => stream.addEventListener(kind, (event) => {
      last = event.lastEventId || last;
      act(JSON.parse(event.data));
    });
    on("lines", take);
    on("state", state);
    stream.onopen = () => state({ said: "" });
    stream.onerror = () => {
      state({ said: t("The connection to zedops is lost; trying again.") });
      if (stream.readyState === EventSource.CLOSED) setTimeout(open, 2000);
    };
  };
  open();
  addEventListener("pagehide", () => stream && stream.close());
});
