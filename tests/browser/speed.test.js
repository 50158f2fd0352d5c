// 21 layers × 60 checkpoints: loaded in 1.5 s, and the slider moves at 30 frames a second.
import assert from "node:assert/strict";
import { statSync } from "node:fs";
import { after, before, test } from "node:test";
import { launch, open } from "./browser.js";
import { wide } from "./runs.js";

let browser;
before(async () => (browser = await launch()));
after(() => browser.close());

test("the page is small and loads fast", async () => {
  const path = wide();
  assert.ok(statSync(path).size <= 8e6);
  const times = [];
  for (let k = 0; k < 3; k += 1) {
    const { page, close } = await open(browser, path);
    times.push(await page.evaluate(() => performance.getEntriesByType("navigation")[0].loadEventEnd));
    await close();
  }
  // The fastest of three: other work of the machine is not the page's.
  assert.ok(Math.min(...times) <= 1500, `${times}`);
});

test("moving the slider takes at most a frame of 33 ms", async () => {
  const { page, close } = await open(browser, wide());
  await page.locator("#layers").scrollIntoViewIfNeeded();
  const frames = await page.evaluate(async () => {
    const slider = document.getElementById("epoch");
    const frame = () => new Promise((done) => requestAnimationFrame(done));
    const work = [];
    for (let k = 0; k <= Number(slider.max); k += 1) {
      await frame();
      // From the input to the end of what it makes the next frame do.
      const from = performance.now();
      slider.value = k;
      slider.dispatchEvent(new Event("input"));
      await new Promise((done) => requestAnimationFrame(() => {
        document.body.getBoundingClientRect();
        const channel = new MessageChannel();
        channel.port1.onmessage = done;
        channel.port2.postMessage(null);
      }));
      work.push(performance.now() - from);
    }
    return work.sort((a, b) => a - b);
  });
  const median = frames[frames.length >> 1];
  assert.ok(median <= 33, `median ${median} ms, slowest ${frames[frames.length - 1]} ms`);
  await close();
});
