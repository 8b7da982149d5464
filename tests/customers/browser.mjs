// Drives Chromium as a customer would, and looks at pages in every way that people look at them.
//
//   node browser.mjs walk  '{"modules", "url", "save", "language", "script", "login"}'
//   node browser.mjs look  '{"modules", "shots", "pages": [{"name", "url", "language"}]}'
//
// Prints one JSON object; whatever is wrong with a page is in `faults`.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const [task, input] = process.argv.slice(2);
const wanted = JSON.parse(input);
const require = createRequire(wanted.modules + "/");
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];
const PATIENCE = 20_000;

// What a person may set (WCAG 1.4.12), as a style of the browser's own: pages apply no other.
const SPACING =
    "* { line-height: 1.5 !important; letter-spacing: 0.12em !important; word-spacing: 0.16em !important; } p { margin-bottom: 2em !important; }";

const MODES = [
    { name: "light", viewport: { width: 1280, height: 800 }, colorScheme: "light" },
    { name: "dark", viewport: { width: 1040, height: 800 }, colorScheme: "dark" },
    { name: "phone", viewport: { width: 320, height: 640 }, colorScheme: "light" },
    { name: "phone-dark", viewport: { width: 320, height: 640 }, colorScheme: "dark" },
    { name: "spaced", viewport: { width: 320, height: 640 }, colorScheme: "light", spacing: true },
    { name: "forced", viewport: { width: 1280, height: 800 }, forcedColors: "active" },
    { name: "calm", viewport: { width: 600, height: 800 }, reducedMotion: "reduce" },
];

const browser = await chromium.launch({
    executablePath: "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"],
});
const said = { faults: [], looked: 0 };
try {
    await { walk, look }[task]();
} finally {
    await browser.close();
}
console.log(JSON.stringify(said));

/** A page on which every message of the browser is a fault. */
async function open(options, name) {
    const context = await browser.newContext({ acceptDownloads: true, ...options });
    context.setDefaultTimeout(PATIENCE);
    const page = await context.newPage();
    page.on("console", (message) => said.faults.push(`${name}: the console says: ${message.text()}`));
    page.on("pageerror", (error) => said.faults.push(`${name}: ${error}`));
    return [context, page];
}

/** From the link to the file, by the button, as a person goes. */
async function walk() {
    const [context, page] = await open({ javaScriptEnabled: wanted.script, locale: wanted.language, httpCredentials: wanted.login }, "walk");
    await page.goto(wanted.url);
    said.landing = await page.title();
    const coming = page.waitForEvent("download");
    // With the keyboard alone.
    for (let presses = 0; presses < 20 && (await page.evaluate(() => document.activeElement.tagName)) !== "BUTTON"; presses++) {
        await page.keyboard.press("Tab");
    }
    await page.keyboard.press("Enter");
    const download = await coming;
    said.name = download.suggestedFilename();
    await download.saveAs(wanted.save);
    await page.waitForLoadState();
    said.started = await page.locator("h1").textContent();
    said.address = new URL(page.url()).pathname;
    // The page is still there, and a link says where the file is.
    said.links = await page.locator("main a").count();
    await page.goto(page.url().split("?")[0] + "?seen");
    said.seen = await page.locator("h1").textContent();
    await page.reload();
    said.pages = context.pages().length;
    await context.close();
}

/** Every page in every mode. */
async function look() {
    for (const mode of MODES) {
        for (const { name, url, language } of wanted.pages) {
            const { name: way, spacing, ...options } = mode;
            const label = `${name} (${way})`;
            const [context, page] = await open({ ...options, locale: language }, label);
            const answer = await page.goto(url);
            if (spacing) {
                await page.evaluate((css) => {
                    const sheet = new CSSStyleSheet();
                    sheet.replaceSync(css);
                    document.adoptedStyleSheets = [sheet];
                }, SPACING);
            }
            for (const details of await page.locator("details > summary").all()) {
                await details.click();
            }
            const seen = await page.evaluate(() => ({
                wide: document.documentElement.scrollWidth - innerWidth,
                small: [...document.querySelectorAll("a, button, summary, input, textarea, select")]
                    .map((control) => [control.textContent.trim().slice(0, 30), control.getBoundingClientRect()])
                    .filter(([, box]) => box.width < 24 || box.height < 24)
                    .map(([text, box]) => `${text}: ${box.width} x ${box.height}`),
                language: document.documentElement.lang,
                scripts: document.scripts.length,
            }));
            if (seen.wide > 0) said.faults.push(`${label}: scrolls sideways by ${seen.wide} px`);
            for (const control of seen.small) said.faults.push(`${label}: is too small to be hit: ${control}`);
            if (seen.language !== language.slice(0, 2)) said.faults.push(`${label}: is in ${seen.language}`);
            if (seen.scripts > 0) said.faults.push(`${label}: has a script`);
            await page.screenshot({ path: `${wanted.shots}/${name}-${way}.png`, fullPage: true });
            await page.evaluate(axe);
            const found = await page.evaluate((values) => axe.run(document, { runOnly: { type: "tag", values } }), RULES);
            for (const { id, nodes } of found.violations) said.faults.push(`${label}: axe: ${id}: ${nodes.map((node) => node.html).join(" ").slice(0, 300)}`);
            said.rules = Math.max(said.rules ?? 0, found.passes.length);
            // A refusal's status is told in the console, and is none of the page's faults.
            if (answer.status() >= 400) said.faults = said.faults.filter((fault) => !/responded with a status of 4\d\d/.test(fault));
            await focusIsSeen(page, label);
            said.looked += 1;
            await context.close();
        }
    }
}

/** Whoever goes through the page with the keyboard sees where they are, in the order of reading. */
async function focusIsSeen(page, label) {
    await page.evaluate(() => document.activeElement?.blur());
    const seen = [];
    for (let presses = 0; presses < 30; presses++) {
        await page.keyboard.press("Tab");
        const focused = await page.evaluate(() => {
            const one = document.activeElement;
            if (!one || one === document.body) return null;
            const all = [...document.querySelectorAll("a[href], button, summary, input, textarea")];
            return { place: all.indexOf(one), outline: parseFloat(getComputedStyle(one).outlineWidth) };
        });
        if (!focused) break;
        if (focused.outline < 2) said.faults.push(`${label}: focus is not seen on control ${focused.place}`);
        if (seen.includes(focused.place)) break;
        if (focused.place < Math.max(-1, ...seen)) said.faults.push(`${label}: Tab goes back to control ${focused.place}`);
        seen.push(focused.place);
    }
}
