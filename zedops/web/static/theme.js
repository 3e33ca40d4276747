// Colours: as the system has them, or as the reader chose. Runs before the first paint.
"use strict";

(() => {
  const MODES = ["system", "dark", "light"];
  const read = () => {
    try { return localStorage.getItem("theme"); } catch { return null; }
  };
  const put = (mode) => {
    if (mode === "dark" || mode === "light") document.documentElement.dataset.theme = mode;
    else delete document.documentElement.dataset.theme;
  };
  put(read());
  addEventListener("storage", () => put(read()));
  document.addEventListener("DOMContentLoaded", () => {
    const choice = document.getElementById("theme");
    if (!choice) return;
    choice.value = MODES.includes(read()) ? read() : "system";
    choice.closest("label").hidden = false;
    choice.addEventListener("change", () => {
      try { localStorage.setItem("theme", choice.value); } catch { /* it lasts for this page */ }
      put(choice.value);
    });
  });
})();
