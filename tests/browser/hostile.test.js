// Names are text: 46 payloads do nothing, wherever they stand.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, open, settle } from "./browser.js";
import { PAYLOADS } from "./payloads.js";
import { HOSTILE_LAYERS, hostile } from "./runs.js";

let browser;
before(async () => (browser = await launch()));
after(() => browser.close());

test("payloads are inert", async () => {
  assert.equal(PAYLOADS.length, 46);
  for (const path of hostile()) {
    for (const hash of ["", "#" + PAYLOADS.map((text, k) => `${["layers", "only", "cka", "at", "enlarged", "regions", "theme"][k % 7]}=${encodeURIComponent(text)}`).join("&")]) {
      const { page, said, asked, close } = await open(browser, path, { hash });
      await page.evaluate(() => document.querySelectorAll("details").forEach((fold) => (fold.open = true)));
      await page.locator("#settings").scrollIntoViewIfNeeded();
      for (const stage of await page.locator(".stage:visible").all()) await stage.hover({ timeout: 5000 });
      for (const key of await page.locator(".slices [data-key]").all()) await key.dispatchEvent("click");
      await settle(page);
      assert.equal(await page.evaluate(() => window.P), undefined);
      assert.equal(await page.evaluate(() => document.querySelectorAll("script").length), 2);
      assert.equal(await page.evaluate(() => document.querySelectorAll("iframe, base, link, main img, foreignObject").length), 0);
      assert.deepEqual(said, []);
      assert.deepEqual(asked, []);
      await close();
    }
  }
});

test("names are shown as they are", async () => {
  const [path] = hostile();
  const { page, close } = await open(browser, path);
  const shown = await page.evaluate(() => JSON.parse(document.getElementById("data").textContent).sets[0].layers.map((layer) => layer.name));
  for (const name of HOSTILE_LAYERS) assert.ok(shown.includes(name), name);
  const heads = await page.locator("[data-maps=cka] .map h4").evaluateAll((all) => all.map((one) => one.title || one.textContent));
  assert.deepEqual(heads, shown);
  await close();
});
