// A browser, and pages whose every word on the console and every request is kept.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
// Root has no sandbox of its own: what is tested is the page, and the page is ours.
const args = process.getuid?.() === 0 ? ["--no-sandbox"] : [];
export const launch = () => chromium.launch({ executablePath, args });

// Opens a page. `said` and `asked` stay empty as long as it behaves.
export const open = async (browser, path, { hash = "", width = 1400, height = 900, scheme = "light" } = {}) => {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: scheme, acceptDownloads: true, reducedMotion: "reduce" });
  const page = await context.newPage();
  page.setDefaultTimeout(10_000);
  const [said, asked] = [[], []];
  page.on("console", (message) => said.push(message.text()));
  page.on("pageerror", (error) => said.push(error.stack));
  page.on("dialog", (dialog) => said.push("dialog: " + dialog.message()) && dialog.dismiss());
  const address = pathToFileURL(path).href;
  page.on("request", (request) => {
    const url = request.url();
    if (!url.startsWith("data:") && !url.startsWith("blob:") && url.split("#")[0] !== address) asked.push(url);
  });
  await page.goto(address + hash);
  await settle(page);
  return { page, said, asked, close: () => context.close() };
};

// Until what was asked for is drawn.
export const settle = (page) => page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 200)))));

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
// What axe-core finds, a line each. The page's policy admits no script of others, so it is evaluated
// from outside.
export const violations = async (page) => {
  await page.evaluate(axe);
  const found = await page.evaluate(() => window.axe.run(document));
  return found.violations.map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map((node) => node.html.slice(0, 200)).join(" | ")}`);
};

// Clicks one of the page's pills.
export const pick = (page, within, text) => page.locator(within).locator("label", { has: page.getByText(text, { exact: true }) }).locator("input").click();

// What a canvas shows, as a short text that differs where the picture does.
export const picture = async (page, selector) => digest(await page.locator(selector).first().evaluate((canvas) => canvas.toDataURL()));
export const pictures = async (locator) => (await locator.evaluateAll((all) => all.map((canvas) => canvas.toDataURL()))).map(digest);
const digest = (text) => createHash("sha256").update(text).digest("hex").slice(0, 12);
