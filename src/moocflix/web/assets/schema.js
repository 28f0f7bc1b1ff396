// Shows JSON schemas as lists of fields, and makes sample values from them.
import { el, prose } from "./element.js";

const LIMITS = [
  ["minLength", "at least %s characters"], ["maxLength", "at most %s characters"],
  ["minimum", "from %s"], ["maximum", "to %s"], ["exclusiveMinimum", "above %s"], ["exclusiveMaximum", "below %s"],
  ["minItems", "at least %s items"], ["maxItems", "at most %s items"], ["pattern", "matches %s"],
];

const alternatives = (schema) => schema.oneOf ?? schema.anyOf ?? [];
const isNull = (schema) => schema.type === "null" || schema.const === null;

// One schema where the alternatives are a schema or null.
function plain(description, node) {
  const schema = description.resolve(node);
  const rest = alternatives(schema).filter((one) => !isNull(description.resolve(one)));
  if (rest.length === 1) return { ...description.resolve(rest[0]), ...without(schema), nullable: true };
  if (schema.allOf?.length === 1) return { ...description.resolve(schema.allOf[0]), ...without(schema) };
  return schema;
}

function without({ oneOf, anyOf, allOf, ...rest }) {
  return rest;
}

function kindOf(description, schema) {
  const types = [schema.type].flat().filter((type) => type && type !== "null");
  const nullable = schema.nullable || [schema.type].flat().includes("null");
  let kind = schema.enum ? schema.enum.filter((one) => one !== null).map((one) => JSON.stringify(one)).join(" | ") : types.join(" | ");
  if (schema.const !== undefined) kind = JSON.stringify(schema.const);
  if (types.includes("array")) kind = `list of ${kindOf(description, plain(description, schema.items ?? {})) || "values"}`;
  if (!kind && alternatives(schema).length) {
    kind = alternatives(schema).map((one) => kindOf(description, plain(description, one))).join(" | ");
  }
  if (schema.format) kind += ` (${schema.format})`;
  return nullable && kind ? `${kind}, or null` : kind;
}

function limitsOf(schema) {
  const limits = LIMITS.filter(([name]) => schema[name] !== undefined).map(([name, words]) => words.replace("%s", schema[name]));
  if (schema.default !== undefined && schema.default !== null) limits.push(`without it ${JSON.stringify(schema.default)}`);
  return limits.join(", ");
}

// A line for one field, or for a parameter in its place, with what lies below it. Left out says what null would.
export function field(description, name, node, { required, about, place, depth = 0 } = {}) {
  const found = plain(description, node ?? {});
  const schema = place ? { ...found, nullable: false, type: [found.type].flat().filter((one) => one !== "null") } : found;
  const words = [about ?? schema.description, limitsOf(schema)].filter(Boolean).join(" · ");
  return el("li", {},
    el("span", { class: "name" }, name),
    el("span", { class: "kind" }, kindOf(description, schema)),
    place ? el("span", { class: "kind" }, `in the ${place}`) : null,
    required ? el("span", { class: "must" }, "required") : null,
    prose(words),
    depth < 8 ? below(description, schema, depth + 1) : null);
}

function below(description, schema, depth) {
  const inner = schema.type === "array" ? plain(description, schema.items ?? {}) : schema;
  return inner.properties ? fields(description, inner, depth) : null;
}

// All fields of an object; for anything else one line.
export function fields(description, node, depth = 0) {
  const schema = plain(description, node);
  if (!schema.properties) return el("ul", { class: "fields" }, field(description, "body", schema, { depth }));
  const required = new Set(schema.required ?? []);
  return el("ul", { class: "fields" },
    ...Object.entries(schema.properties).map(([name, one]) => field(description, name, one, { required: required.has(name), depth })));
}

// A believable value, the given example first; fields that may be left out are left out below the first level.
export function sample(description, node, depth = 0) {
  const schema = plain(description, node ?? {});
  for (const given of [schema.example, schema.examples?.[0], schema.default, schema.const, schema.enum?.[0]]) {
    if (given !== undefined && given !== null) return given;
  }
  if (schema.nullable || [schema.type].flat().includes("null")) return null;
  if (schema.properties && depth < 6) {
    const required = new Set(schema.required ?? []);
    const shown = Object.entries(schema.properties).filter(([name]) => depth === 0 || required.has(name));
    return Object.fromEntries(shown.map(([name, one]) => [name, sample(description, one, depth + 1)]));
  }
  if (alternatives(schema).length) return sample(description, alternatives(schema)[0], depth + 1);
  const type = [schema.type].flat()[0];
  if (type === "array") return depth < 6 ? [sample(description, schema.items ?? {}, depth + 1)] : [];
  if (type === "integer" || type === "number") return schema.minimum ?? 1;
  if (type === "boolean") return false;
  if (type === "object") return {};
  return { uuid: "00000000-0000-7000-8000-000000000000", "date-time": new Date(0).toISOString(), email: "ada@example.org", uri: "https://example.org/" }[schema.format] ?? "text";
}
