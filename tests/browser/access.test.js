// axe-core finds nothing, whatever is open and chosen; every control has a name and the keyboard
// reaches it.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { launch, open, settle, violations } from "./browser.js";
import { small, wide } from "./runs.js";

let browser;
before(async () => (browser = await launch()));
after(() => browser.close());

for (const [name, run] of [["small", small], ["wide", wide]]) {
  for (const scheme of ["light", "dark"]) {
    for (const width of [1400, 400]) {
      test(`axe-core finds nothing: ${name}, ${scheme}, ${width} px`, async () => {
        const { page, close } = await open(browser, run(), { scheme, width, hash: "#range=layer&outlines=phases+boundaries" });
        await page.evaluate(() => document.querySelectorAll("details").forEach((fold) => (fold.open = true)));
        await page.locator("#paths").scrollIntoViewIfNeeded();
        await settle(page);
        assert.deepEqual(await violations(page), []);
        await page.locator(".enlarge").first().click();
        await settle(page);
        assert.deepEqual(await violations(page), []);
        await close();
      });
    }
  }
}

test("the keyboard reaches every control", async () => {
  const { page, close } = await open(browser, small());
  const controls = await page.evaluate(() => {
    const all = [...document.querySelectorAll("a[href], button, input, select, summary, [tabindex='0']")];
    const visible = all.filter((one) => one.getClientRects().length && !one.closest("details:not([open]) > :not(summary)") && !one.closest("dialog:not([open])"));
    visible.forEach((one, k) => (one.dataset.control = k));
    // One radio button of a group stands for all: arrows reach the others.
    return visible.filter((one) => one.type !== "radio" || one.checked).map((one) => one.dataset.control);
  });
  const reached = new Set();
  for (let step = 0; step < controls.length + 40; step += 1) {
    await page.keyboard.press("Tab");
    const at = await page.evaluate(() => document.activeElement.dataset.control);
    if (at !== undefined) reached.add(at);
  }
  const missed = controls.filter((control) => !reached.has(control));
  const names = await page.evaluate((missed) => missed.map((one) => document.querySelector(`[data-control="${one}"]`).outerHTML.slice(0, 120)), missed);
  assert.deepEqual(names, []);
  await close();
});
