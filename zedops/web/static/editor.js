// The editor of definitions: CodeMirror over the form's text fields, and a check of what is typed.
// Without this file the text fields and the Check button do the same. CodeMirror lives in a shadow
// root: there it uses constructable style sheets, which the page's policy allows.
"use strict";

(() => {
  const form = document.getElementById("editor");
  if (!form || !window.codemirror) return;
  const cm = window.codemirror;
  const plan = document.getElementById("plan");
  const names = (key) => (form.dataset[key] || "").split(" ").filter(Boolean);
  const views = [];

  // --- completion from the schema

  let schema = null;
  fetch("/edit/schema").then((answer) => (answer.ok ? answer.json() : null)).then((made) => { schema = made; }, () => {});

  const variants = (node, depth = 0) => {
    if (!node || depth > 8) return [];
    if (node.$ref) return variants(schema.$defs[node.$ref.split("/").pop()], depth + 1);
    const inner = [...(node.anyOf || []), ...(node.oneOf || []), ...(node.allOf || [])];
    return [node, ...inner.flatMap((each) => variants(each, depth + 1))];
  };
  const below = (node, key) => variants(node).flatMap((each) => {
    if (key === null) return each.items ? [each.items] : [];
    if (each.properties && each.properties[key]) return [each.properties[key]];
    const fits = Object.entries(each.patternProperties || {}).filter(([pattern]) => new RegExp(pattern).test(key));
    if (fits.length) return fits.map(([, one]) => one);
    return typeof each.additionalProperties === "object" ? [each.additionalProperties] : [];
  });
  const LINE = /^(\s*)((?:-\s+)*)(?:([\w.\-]+)\s*:)?/;

  // the keys above a line, by indentation; null stands for an item of a list
  const keysAbove = (doc, number, indent) => {
    const path = [];
    for (let at = number - 1; at > 0 && indent > 0; at -= 1) {
      const text = doc.line(at).text;
      if (!text.trim() || text.trim().startsWith("#")) continue;
      const [, space, dashes, key] = LINE.exec(text);
      const place = space.length + dashes.length;
      if (dashes && space.length < indent && place >= indent) { path.unshift(null); indent = space.length + 1; }
      if (key && place < indent) { path.unshift(key); indent = place; }
    }
    return path;
  };
  const at = (path) => path.reduce((nodes, key) => nodes.flatMap((each) => below(each, key)), [schema]);
  const values = (key, nodes) => {
    const own = { host: names("hosts"), game: names("presets") }[key];
    if (own) return own;
    const said = nodes.flatMap((each) => variants(each)).flatMap((each) => [
      ...(each.enum || []), ...("const" in each ? [each.const] : []), ...(each.examples || []),
      ...(each.type === "boolean" ? [true, false] : []),
    ]);
    return [...new Set(said.filter((each) => typeof each !== "object").map(String))];
  };
  const keys = (nodes) => new Map(nodes.flatMap((each) => variants(each))
    .flatMap((each) => Object.entries(each.properties || {})));
  const complete = (context) => {
    if (!schema) return null;
    const line = context.state.doc.lineAt(context.pos);
    const before = line.text.slice(0, context.pos - line.from);
    const value = /^(\s*(?:-\s+)*)([\w.\-]+):\s+(\S*)$/.exec(before);
    if (value) {
      const path = keysAbove(context.state.doc, line.number, value[1].length);
      const top = path.length === 0 ? value[2] : "";
      const found = values(top, at([...path, value[2]]));
      return found.length ? { from: context.pos - value[3].length, options: found.map((label) => ({ label, type: "constant" })) } : null;
    }
    const key = /^(\s*(?:-\s+)*)([\w.\-]*)$/.exec(before);
    if (!key || (!key[2] && !context.explicit)) return null;
    const found = keys(at(keysAbove(context.state.doc, line.number, key[1].length)));
    if (key[1].length === 0) found.delete("state"); // written by zedops
    const options = [...found].map(([label, node]) => {
      const [one] = variants(node);
      const holds = variants(node).some((each) => each.type === "object");
      return { label, type: "property", info: one.description, apply: holds ? `${label}:` : `${label}: ` };
    });
    return options.length ? { from: context.pos - key[2].length, options } : null;
  };

  // --- the editor itself

  const theme = cm.EditorView.theme({
    "&": { color: "var(--text)", backgroundColor: "var(--card)", fontSize: ".875rem", maxHeight: "70vh" },
    "&.cm-focused": { outline: "none" }, // its frame has one
    ".cm-scroller": { fontFamily: "ui-monospace, monospace", minHeight: "20em" },
    ".cm-gutters": { backgroundColor: "var(--back)", color: "var(--dim)", borderRight: "1px solid var(--line)" },
    ".cm-activeLine, .cm-activeLineGutter": { backgroundColor: "color-mix(in srgb, var(--off-back) 45%, transparent)" },
    ".cm-cursor": { borderLeftColor: "var(--text)" },
    "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": { backgroundColor: "var(--busy-back)" },
    ".cm-tooltip": { backgroundColor: "var(--card)", color: "var(--text)", border: "1px solid var(--dim)", maxWidth: "min(30rem, 90vw)" },
    ".cm-tooltip-autocomplete ul li[aria-selected]": { backgroundColor: "var(--accent)", color: "var(--on-accent)" },
    ".cm-panels": { backgroundColor: "var(--card)", color: "var(--text)" },
    // the packages' own pictures are data: URLs, which the policy refuses
    ".cm-lintRange-error, .cm-lintRange-warning": { backgroundImage: "none", textDecoration: "underline wavy var(--bad-text)" },
    ".cm-lintRange-warning": { textDecorationColor: "var(--warn-text)" },
    ".cm-lint-marker-error, .cm-lint-marker-warning": { content: "normal", borderRadius: "50%", backgroundColor: "var(--bad-text)" },
    ".cm-lint-marker-warning": { borderRadius: "0", backgroundColor: "var(--warn-text)" },
    ".cm-diagnostic": { whiteSpace: "pre-wrap", overflowWrap: "anywhere" },
  });
  const colours = cm.HighlightStyle.define([
    { tag: [cm.tags.propertyName, cm.tags.definition(cm.tags.propertyName)], color: "var(--hl-key)" },
    { tag: [cm.tags.string, cm.tags.special(cm.tags.string)], color: "var(--hl-text)" },
    { tag: [cm.tags.number, cm.tags.bool, cm.tags.null], color: "var(--hl-number)" },
    { tag: cm.tags.comment, color: "var(--hl-note)" },
  ]);

  const mount = (area) => {
    const label = form.querySelector(`label[for="${area.id}"]`);
    const place = document.createElement("div");
    place.className = "code-editor";
    const root = place.attachShadow({ mode: "open" });
    area.after(place);
    const view = new cm.EditorView({
      root,
      parent: root,
      state: cm.EditorState.create({
        doc: area.value,
        extensions: [
          cm.lineNumbers(), cm.lintGutter(), cm.history(), cm.drawSelection(), cm.indentOnInput(),
          cm.bracketMatching(), cm.closeBrackets(), cm.highlightActiveLine(), cm.highlightSpecialChars(),
          cm.highlightSelectionMatches(), cm.search(), cm.yaml(), cm.syntaxHighlighting(colours), theme,
          cm.EditorView.lineWrapping, cm.autocompletion({ override: [complete] }),
          cm.EditorView.contentAttributes.of({ "aria-label": label.textContent, spellcheck: "false" }),
          // Tab stays the way to the next field
          cm.keymap.of([...cm.closeBracketsKeymap, ...cm.defaultKeymap, ...cm.searchKeymap, ...cm.historyKeymap, ...cm.completionKeymap, ...cm.lintKeymap]),
          cm.EditorView.updateListener.of((change) => {
            if (!change.docChanged) return;
            area.value = change.state.doc.toString();
            changed();
          }),
        ],
      }),
    });
    const isTypedInto = document.activeElement === area;
    area.hidden = true;
    if (isTypedInto) view.focus();
    label.removeAttribute("for");
    label.addEventListener("click", () => view.focus());
    views.push({ view, area });
  };

  // --- the check of what is typed: after a pause, one at a time, the newest wins

  const PAUSE_MS = 350;
  let timer = 0;
  let running = null;
  const mark = (made) => views.forEach(({ view }, number) => {
    const { doc } = view.state;
    const found = made.filter((each) => each.number === number).map((each) => {
      const line = doc.line(Math.min(Math.max(each.line, 1), doc.lines));
      const from = Math.min(line.from + Math.max(each.column - 1, 0), line.to);
      return { from, to: Math.max(line.to, from), severity: each.is_problem ? "error" : "warning", message: each.text };
    });
    view.dispatch(cm.setDiagnostics(view.state, found));
  });
  const say = (text) => {
    const line = document.createElement("p");
    line.className = "notice message";
    line.textContent = text;
    plan.prepend(line);
  };
  const check = async () => {
    if (running) running.abort();
    const mine = new AbortController();
    running = mine;
    plan.classList.add("waits");
    let again = 0;
    try {
      const answer = await fetch("/edit/check", { method: "POST", body: new URLSearchParams(new FormData(form)), signal: mine.signal });
      if (answer.status === 429) again = 1000;
      else if (answer.headers.get("Content-Type").includes("json")) {
        const made = await answer.json();
        if (made.html !== undefined) plan.innerHTML = made.html; // of the page's own template, which escapes every value
        else say(made.told);
        mark(made.marks);
        const wrong = made.marks.filter((each) => each.is_problem).length;
        document.getElementById("checked").textContent = made.told || `Checked: ${wrong || "no"} ${wrong === 1 ? "problem" : "problems"} in the text`;
      } else if (answer.status !== 204) say((await answer.text()).trim());
    } catch (error) {
      if (error.name === "AbortError") return;
      say(t("The check could not be made: zedops does not answer. Your text stays; it is tried again."));
      again = 5000;
    }
    if (running !== mine) return;
    running = null;
    plan.classList.remove("waits");
    if (again) timer = setTimeout(check, again);
  };

  // --- a draft survives a reload of this tab

  const { verb, base, seen } = form.elements;
  const areas = [...form.querySelectorAll("textarea[name=text]")];
  const texts = () => areas.map((each) => each.value);
  const fresh = { from: texts(), texts: texts(), base: base.value, seen: seen.value };
  const servers = [...form.querySelectorAll("input[name=server]")];
  const place = `draft:${verb.value}:${servers.map((each) => each.value).join(" ")}`;
  const changed = () => {
    clearTimeout(timer);
    timer = setTimeout(check, PAUSE_MS);
    const now = { from: fresh.from, texts: texts(), base: base.value, seen: seen.value };
    try {
      sessionStorage.setItem(place, JSON.stringify(now));
    } catch { /* full, or forbidden: the text is in the page alone */ }
  };
  const put = (kept) => {
    base.value = kept.base; // a change by others meanwhile is then told
    seen.value = kept.seen;
    views.forEach(({ view }, at) => view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: kept.texts[at] } }));
  };
  const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);
  const restore = () => {
    const kept = JSON.parse(sessionStorage.getItem(place) || "null");
    if (!kept || same(kept.texts, fresh.texts)) return;
    const isHere = location.pathname.startsWith("/servers/") || same(kept.from, fresh.from);
    if (!isHere || kept.texts.length !== views.length) return;
    put(kept);
    const told = document.getElementById("draft");
    const drop = document.createElement("button");
    drop.type = "button";
    drop.textContent = t("Discard it");
    drop.className = "small";
    drop.addEventListener("click", () => { put(fresh); sessionStorage.removeItem(place); told.hidden = true; });
    told.replaceChildren(t("This is what you typed here before."), " ", drop);
    told.hidden = false;
  };

  document.body.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.target.querySelector("[data-pushed]")) sessionStorage.removeItem(place);
  });
  form.addEventListener("click", (event) => {
    const button = event.target.closest("[data-merge]");
    if (!button) return;
    event.preventDefault();
    const field = document.createElement("input");
    Object.assign(field, { type: "hidden", name: button.name, value: button.value });
    form.append(field);
    form.action = button.getAttribute("formaction");
    form.submit(); // past htmx: this is a page of its own
  });
  form.querySelectorAll("[data-plain]").forEach((each) => { each.hidden = true; });
  areas.forEach(mount);
  servers.forEach((each) => each.addEventListener("input", changed));
  restore();
  check();
})();
