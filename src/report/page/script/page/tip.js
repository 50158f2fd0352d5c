// The note beside the pointer.
const tip = {
  show(event, { head, pair, what }) {
    const note = $("tip");
    note.replaceChildren();
    make(note, "b", "", head);
    for (const line of [pair, what]) if (line) make(note, "div", "", line);
    note.hidden = false;
    const box = note.getBoundingClientRect();
    const x = event.clientX + 14 + box.width > innerWidth ? event.clientX - box.width - 14 : event.clientX + 14;
    const y = event.clientY + 18 + box.height > innerHeight ? event.clientY - box.height - 12 : event.clientY + 18;
    note.style.transform = `translate(${Math.max(4, x)}px, ${Math.max(4, y)}px)`;
  },
  hide() {
    $("tip").hidden = true;
    state.release();
  },
};
