// Makes an element. Text is always text: nothing that a server says becomes markup.
export function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value !== undefined && value !== false && value !== null) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

// Prose as docstrings write it: lines are joined, an empty one ends a paragraph, backticks mark code.
export function prose(text, attributes = {}) {
  return text.split(/\n\s*\n/).filter((one) => one.trim()).map((paragraph) => {
    const parts = paragraph.replace(/\s+/g, " ").split("`");
    return el("p", attributes, parts.map((part, index) => (index % 2 ? el("code", {}, part) : part)));
  });
}

export const kindOfStatus = (status) => (status < 300 ? "good" : status < 500 ? "warn" : "bad");
