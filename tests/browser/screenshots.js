// The book's pictures of a page: `node screenshots.js RUN FOLDER` (scripts/screenshots).
import { statSync } from "node:fs";
import { join } from "node:path";
import { launch, open } from "./browser.js";

/** What a picture may take in the repository, in bytes. */
const LARGEST = 150_000;
const [run, folder] = process.argv.slice(2);
const browser = await launch();

// The top of the page, without the bar at the foot of the window, which would lie over the figures.
const top = await open(browser, join(run, "report/index.html"), { width: 1080, height: 1190 });
await top.page.locator("#cursor").evaluate((bar) => { bar.style.display = "none"; });
await save(top.page, "page.jpg");

const toys = await open(browser, join(run, "report/figures/reading-maps.svg"), { width: 1000, height: 600 });
await save(toys.page.locator("svg").first(), "four-toys.png");
await browser.close();

/** Saves a page or a part of it. */
async function save(what, name) {
  const path = join(folder, name);
  // Maps with many shades are smaller as JPEG.
  await what.screenshot({ path, ...(name.endsWith("jpg") ? { quality: 70 } : {}) });
  const { size } = statSync(path);
  console.log(`${name}: ${size} bytes`);
  if (size > LARGEST) throw new Error(`${name} has ${size} bytes, more than ${LARGEST}`);
}
