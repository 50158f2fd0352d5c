// Paper is white: a page that is dark on the screen prints as a light one, without its controls.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, open, settle } from "./browser.js";
import { small } from "./runs.js";

let browser;
before(async () => (browser = await launch()));
after(() => browser.close());

// Colors of paper and ink, and of the ticks on a map's canvas.
const colors = (page) =>
  page.evaluate(() => {
    const map = document.querySelector("[data-maps=cka] .map canvas");
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [map.width, map.height];
    const pen = canvas.getContext("2d", { willReadFrequently: true });
    pen.drawImage(map, 0, 0);
    const pixels = pen.getImageData(0, canvas.height - 14, canvas.width, 14).data;
    let [sum, ink] = [0, 0];
    for (let k = 0; k < pixels.length; k += 4) {
      if (pixels[k + 3] < 200) continue;
      sum += pixels[k];
      ink += 1;
    }
    const style = getComputedStyle(document.body);
    return { paper: style.backgroundColor, text: style.color, tick: sum / ink };
  });

test("printed from dark it is dark on white", async () => {
  const { page, said, close } = await open(browser, small(), { scheme: "dark" });
  const dark = await colors(page);
  assert.equal(dark.paper, "rgb(21, 23, 27)");
  await page.emulateMedia({ media: "print", colorScheme: "dark" });
  await settle(page);
  const printed = await colors(page);
  assert.deepEqual([printed.paper, printed.text], ["rgb(255, 255, 255)", "rgb(22, 24, 29)"]);
  assert.ok(printed.tick < 140 && dark.tick > 140, `${printed.tick} ${dark.tick}`);
  for (const control of ["#cursor", "#theme", ".controls", ".contents", ".enlarge", ".saving"]) {
    assert.ok(await page.locator(control).first().isHidden(), control);
  }
  assert.ok((await page.locator("#paths .path").count()) > 3, "paths are drawn though nobody has seen them");
  const file = await page.pdf({ format: "A4" });
  assert.ok(file.length > 50000);
  await page.emulateMedia({ media: "screen", colorScheme: "dark" });
  await settle(page);
  assert.deepEqual(await colors(page), dark);
  assert.deepEqual(said, []);
  await close();
});
