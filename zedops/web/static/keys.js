// Keys and the palette. Nothing here fires while a person types, or while a dialog is open.
"use strict";

(() => {
  const byId = (id) => document.getElementById(id);
  const on = () => {
    try { return localStorage.getItem("keys") !== "off"; } catch { return true; }
  };

  const isTyping = (target) => target.isContentEditable
    || target.closest("input:not([type=checkbox], [type=radio]), textarea, select, [role=textbox]");

  const open = (name) => {
    const made = byId(`${name}-template`);
    if (!made) return null;
    document.body.append(made.content.cloneNode(true));
    const dialog = byId(name);
    const before = document.activeElement;
    dialog.addEventListener("close", () => {
      dialog.remove();
      if (before && before.isConnected && !document.querySelector("dialog[open]")) before.focus();
    });
    dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
    dialog.showModal();
    return dialog;
  };

  const palette = () => {
    const dialog = open("palette");
    if (!dialog) return;
    const text = byId("palette-text");
    const list = byId("palette-list");
    let asked = 0;
    const chosen = () => list.querySelector("[aria-selected=true]");
    const choose = (option) => {
      if (chosen()) chosen().setAttribute("aria-selected", "false");
      if (!option) { text.removeAttribute("aria-activedescendant"); return; }
      option.setAttribute("aria-selected", "true");
      text.setAttribute("aria-activedescendant", option.id);
      option.scrollIntoView({ block: "nearest" });
    };
    const go = (option) => {
      if (!option) return;
      const target = option.dataset.href;
      dialog.close();
      if ("act" in option.dataset) window.htmx.ajax("GET", target, { target: "#dialog", swap: "innerHTML" });
      else location.assign(target);
    };
    const look = async () => {
      const mine = ++asked;
      const answer = await fetch(`/palette?q=${encodeURIComponent(text.value)}`).catch(() => null);
      if (mine !== asked || !dialog.open) return; // a later letter was faster
      if (!answer || !answer.ok) { list.replaceChildren(); choose(null); return; }
      const made = document.createElement("template");
      made.innerHTML = await answer.text(); // made by the page's own templates, which escape every value
      if (mine !== asked) return;
      list.replaceChildren(...made.content.children);
      text.setAttribute("aria-expanded", String(list.childElementCount > 0));
      byId("palette-none").hidden = list.childElementCount > 0;
      choose(list.firstElementChild);
    };
    let looking = look();
    text.addEventListener("input", () => { looking = look(); });
    text.addEventListener("keydown", (event) => {
      const now = chosen();
      const next = {
        ArrowDown: (now && now.nextElementSibling) || list.firstElementChild,
        ArrowUp: (now && now.previousElementSibling) || list.lastElementChild,
      }[event.key];
      if (next) { event.preventDefault(); choose(next); }
      if (event.key === "Enter" && !event.isComposing) {
        event.preventDefault();
        looking.then(() => go(chosen())); // never what an earlier letter had found
      }
    });
    list.addEventListener("click", (event) => go(event.target.closest("[role=option]")));
    text.focus();
  };

  const help = () => {
    const dialog = open("keys");
    if (!dialog) return;
    const choice = byId("keys-on");
    choice.checked = on();
    choice.addEventListener("change", () => {
      try { localStorage.setItem("keys", choice.checked ? "on" : "off"); } catch { /* for this page */ }
    });
  };

  const rows = () => [...document.querySelectorAll("table.servers tbody tr")].filter((each) => each.querySelector("th a"));
  const here = () => document.activeElement && document.activeElement.closest("table.servers tbody tr");
  const step = (by) => {
    const all = rows();
    const now = all.indexOf(here());
    const next = all[now < 0 ? (by > 0 ? 0 : all.length - 1) : now + by];
    if (next) next.querySelector("th a").focus();
  };
  const pick = () => {
    const box = here() && here().querySelector("input[type=checkbox]");
    if (box) box.click();
  };

  const search = () => {
    const field = document.querySelector("form[role=search] input[type=search]");
    if (field) { field.focus(); field.select(); }
  };

  const KEYS = { "/": search, "?": help, j: () => step(1), k: () => step(-1), x: pick };

  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing || isTyping(event.target)) return;
    if (document.querySelector("dialog[open]")) return;
    if ((event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey && event.key.toLowerCase() === "k") {
      event.preventDefault();
      palette();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || !on() || !KEYS[event.key]) return;
    event.preventDefault();
    KEYS[event.key]();
  });

  document.addEventListener("DOMContentLoaded", () => {
    const button = byId("palette-open");
    if (!button) return;
    button.hidden = false;
    button.addEventListener("click", palette);
  });
})();
