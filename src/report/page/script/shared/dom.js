// Elements, text and files: what every part of a page needs.
const $ = (id) => document.getElementById(id);

const make = (parent, tag, name, text) => {
  const element = document.createElement(tag);
  if (name) element.className = name;
  if (text !== undefined) element.textContent = text;
  parent.append(element);
  return element;
};

const button = (parent, name, text, act) => {
  const element = make(parent, "button", name, text);
  element.type = "button";
  element.addEventListener("click", act);
  return element;
};

// An SVG element.
const draw = (parent, tag, attributes, text) => {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const key in attributes) element.setAttribute(key, attributes[key]);
  if (text !== undefined) element.textContent = text;
  parent.append(element);
  return element;
};

// One of a few values, as pills.
let choices = 0;
const pills = (parent, title, options, chosen, choose) => {
  const set = make(parent, "fieldset", "choice");
  make(set, "legend", "", title);
  const name = "choice-" + (choices += 1);
  const inputs = options.map(([value, text]) => {
    const label = make(set, "label");
    const input = make(label, "input");
    input.type = "radio";
    input.name = name;
    input.value = value;
    input.checked = value === chosen;
    input.addEventListener("change", () => choose(value));
    make(label, "span", "", text);
    return input;
  });
  const show = (value) => inputs.forEach((input) => (input.checked = input.value === value));
  return { set, show };
};

// One of several values, as a list that drops down.
const list = (parent, title, choose) => {
  const label = make(parent, "label", "list");
  make(label, "span", "", title);
  const select = make(label, "select");
  select.addEventListener("change", () => choose(select.value));
  const fill = (options, chosen) => {
    select.replaceChildren();
    for (const [value, text] of options) {
      const option = make(select, "option", "", text);
      option.value = value;
      option.selected = value === chosen;
    }
  };
  return { label, select, fill };
};

const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// Numbers as text, with a real minus sign.
const epochText = (epoch) => String(Math.round(epoch * 100) / 100);
const fixed = (value, digits) => (value === null || value === undefined ? "–" : value.toFixed(digits).replace("-", "−"));

// A name as part of a file's name.
const slug = (name) => name.replace(/[^A-Za-z0-9._-]+/g, "_").replace(/^[._]+/, "") || "figure";

const once = (act) => {
  let pending = 0;
  return () => {
    cancelAnimationFrame(pending);
    pending = requestAnimationFrame(act);
  };
};

// Before the page is printed, and where it looks as if it were.
const onPrint = (act) => {
  addEventListener("beforeprint", act);
  matchMedia("print").addEventListener("change", act);
};

const clamp = (value, least, most) => Math.min(most, Math.max(least, value));
