/* The chosen theme, put on before the first paint. Runs as a classic script so that it blocks. */
(() => {
  const chosen = localStorage.getItem("cairn.theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
})();
