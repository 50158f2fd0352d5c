"use strict";
// Loads the page again when the run has changed; the address keeps what is looked at.
const version = document.querySelector("meta[name=version]").content;
let isHeld = false;
let isStale = false;
function renew() {
  if (isStale && !isHeld && !document.hidden) location.reload();
}
// Not while something is being moved.
addEventListener("pointerdown", () => { isHeld = true; });
for (const end of ["pointerup", "pointercancel"]) {
  addEventListener(end, () => { isHeld = false; renew(); });
}
document.addEventListener("visibilitychange", renew);
new EventSource("/events").onmessage = (event) => {
  isStale = event.data !== version;
  renew();
};
