// The list of contents keeps the rest of the address: it goes where it says and adds where to it.
const buildContents = () => {
  const go = (smooth) => {
    const target = state.get("at") && $(state.get("at"));
    if (target) target.scrollIntoView({ behavior: smooth ? "smooth" : "instant" });
  };
  for (const link of document.querySelectorAll(".contents a")) {
    const place = $(link.hash.slice(1));
    if (!place || place.hidden) {
      link.parentElement.remove();
      continue;
    }
    link.addEventListener("click", (event) => {
      event.preventDefault();
      state.set("at", "");
      state.set("at", link.hash.slice(1));
      const heading = $(state.get("at")).querySelector("h2, h3");
      if (!heading) return;
      heading.tabIndex = -1;
      heading.focus({ preventScroll: true });
    });
  }
  state.on(["at"], () => go(!matchMedia("(prefers-reduced-motion: reduce)").matches));
  return go;
};
