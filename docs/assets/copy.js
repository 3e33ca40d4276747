// The copy button of a console block takes what is typed: no prompt, no output.
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-clipboard-target]");
  const code = button && document.querySelector(button.dataset.clipboardTarget);
  if (!code || !code.closest(".language-console")) return;
  const lines = code.innerText.split("\n");
  const prompt = lines.some((line) => line.startsWith("$ ")) ? "$ " : "# ";
  const typed = lines.filter((line) => line.startsWith(prompt)).map((line) => line.slice(2));
  if (typed.length) button.setAttribute("data-clipboard-text", typed.join("\n"));
}, true); // before the theme's own listener
