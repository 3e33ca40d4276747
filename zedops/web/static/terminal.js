// A terminal in a server's container: output by a stream, input by one request after the other.
"use strict";

// The page's policy forbids <style> elements and style attributes. xterm makes both; here they
// become style sheets of the document and properties, which the policy allows.
(() => {
  const create = document.createElement.bind(document);
  document.createElement = (tag, options) => {
    const made = create(String(tag).toLowerCase() === "style" ? "template" : tag, options);
    if (String(tag).toLowerCase() === "style") {
      const sheet = new CSSStyleSheet();
      document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
      Object.defineProperty(made, "sheet", { value: sheet });
      Object.defineProperty(made, "textContent", { set: (text) => sheet.replaceSync(text), get: () => "" });
      made.remove = () => {
        document.adoptedStyleSheets = document.adoptedStyleSheets.filter((each) => each !== sheet);
        Element.prototype.remove.call(made);
      };
      return made;
    }
    made.setAttribute = (name, value) => {
      if (name === "style") made.style.cssText = value;
      else Element.prototype.setAttribute.call(made, name, value);
    };
    return made;
  };
})();

document.addEventListener("DOMContentLoaded", async () => {
  const place = document.getElementById("terminal");
  const told = document.getElementById("terminal-told");
  const end = document.getElementById("terminal-end");
  const { server, token } = place.dataset;
  const dark = { background: "#0b0f14", foreground: "#e6edf3" };
  const term = new window.Terminal({ fontSize: 14, scrollback: 5000, theme: dark, screenReaderMode: true });
  const fit = new window.FitAddon.FitAddon();
  term.loadAddon(fit);
  term.open(place);
  fit.fit();
  term.attachCustomKeyEventHandler((event) => {
    if (!(event.ctrlKey && event.key === "F6")) return true;
    if (event.type === "keydown") end.focus();
    return false;
  });

  const say = (text) => { told.textContent = text; told.hidden = !text; };
  const post = async (path, fields) => {
    const answer = await fetch(path, { method: "POST", body: new URLSearchParams({ ...fields, form_token: token }) });
    const isJson = (answer.headers.get("Content-Type") || "").includes("json");
    return isJson ? answer.json() : { refused: (await answer.text()).trim() };
  };

  let stream = null;
  let name = "";
  let number = 0;
  let waiting = ""; // typed, and not sent yet
  let resized = false;
  let sending = false;
  let isOpen = false; // on its host
  const MOST = 2000; // characters in one request

  const stop = (why) => {
    if (!stream) { if (!told.textContent) say(why); return; }
    stream.abort();
    stream = null;
    waiting = "";
    term.options.disableStdin = true;
    say(why);
  };

  const send = async () => {
    if (sending || !stream || !isOpen) return;
    sending = true;
    try {
      while (stream && (waiting || resized)) {
        let count = Math.min(MOST, waiting.length);
        if (/[\ud800-\udbff]/.test(waiting[count - 1] || "")) count += 1; // no half characters
        const fields = { number: (number += 1), data: waiting.slice(0, count) };
        if (resized) Object.assign(fields, { columns: term.cols, rows: term.rows });
        waiting = waiting.slice(count);
        resized = false;
        const said = await post(`/terminals/${name}/in`, fields);
        if (said.refused) say(said.refused);
      }
    } catch {
      stop(t("The connection to zedops is lost, and the terminal with it."));
    } finally {
      sending = false;
    }
  };

  term.onData((text) => { waiting += text; send(); });
  term.onResize(() => { resized = true; send(); });
  addEventListener("resize", () => fit.fit());
  addEventListener("pagehide", () => stop("Ended."));
  end.addEventListener("click", () => stop("Ended."));

  // the next piece is read when the last one is shown: a program that is faster has to wait
  const begin = () => { if (!isOpen) { isOpen = true; send(); } };
  const read = async (answer) => {
    setTimeout(begin, 1000); // some programs say nothing first
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let held = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done || !stream) return;
      const events = (held + value).split(/\r?\n\r?\n/);
      held = events.pop();
      for (const event of events) {
        const data = /^data: (.*)$/m.exec(event);
        if (!data) continue; // a sign of life
        const said = JSON.parse(data[1]);
        begin();
        if (said.said) { stop(said.said); return; }
        await new Promise((shown) => term.write(said.text, shown));
      }
    }
  };

  const made = await post(`/servers/${server}/terminal`, { columns: term.cols, rows: term.rows });
  if (made.refused) { say(made.refused); return; }
  name = made.terminal;
  stream = new AbortController();
  term.focus();
  try {
    await read(await fetch(`/terminals/${name}/out`, { signal: stream.signal }));
    stop(t("The terminal has ended."));
  } catch {
    stop(told.textContent || t("The connection to zedops is lost, and the terminal with it."));
  }
});
