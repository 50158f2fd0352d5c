// The theme: the system's until chosen; the address wins over what was chosen before.
const buildTheme = () => {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const switcher = $("theme");
  const stored = () => {
    try {
      return localStorage.getItem("stratagram-theme");
    } catch {
      // A page opened from disk may have no storage; the choice then lasts for the visit.
      return null;
    }
  };
  const current = () => root.dataset.theme || (system.matches ? "dark" : "light");
  const apply = () => {
    const theme = state.get("theme") || stored();
    if (theme === "dark" || theme === "light") root.dataset.theme = theme;
    else delete root.dataset.theme;
    switcher.textContent = current() === "dark" ? "light" : "dark";
    switcher.setAttribute("aria-label", "switch to the " + switcher.textContent + " theme");
  };
  switcher.addEventListener("click", () => {
    const next = current() === "dark" ? "light" : "dark";
    try {
      localStorage.setItem("stratagram-theme", next);
    } catch {
      // As above.
    }
    state.set("theme", next);
  });
  system.addEventListener("change", () => {
    apply();
    repaint();
  });
  state.on(["theme"], apply);
  switcher.hidden = false;
  apply();
};
