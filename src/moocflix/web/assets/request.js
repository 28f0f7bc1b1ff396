// The form that sends a request of one operation, and the answer as it came.
import { el, kindOfStatus } from "./element.js";
import { sample } from "./schema.js";
import { token } from "./sign-in.js";

const SHOWN_HEADERS = ["content-type", "etag", "location", "retry-after", "ratelimit", "ratelimit-policy", "x-correlation-id", "idempotent-replayed"];
const SHOWN_BYTES = 200_000;

export function requestPanel(description, operation) {
  const inputs = operation.parameters.filter(({ in: where }) => where !== "cookie").map((one) => [one, inputFor(description, one)]);
  const body = operation.body ? bodyInput(description, operation.body) : null;
  const out = el("div", { "aria-live": "polite" });
  const button = el("button", { class: "first", type: "submit" }, "Send request");
  const send = async (event) => {
    event.preventDefault();
    button.disabled = true;
    out.replaceChildren(await answerTo(operation, inputs, body));
    button.disabled = false;
  };
  return el("form", { class: "panel", submit: send },
    el("div", { class: "form" }, inputs.map(([one, input]) => labelled(one, input)), body?.element),
    el("div", { class: "row" }, button, el("span", { class: "quiet" }, "goes to this platform, as you are signed in")),
    out);
}

function labelled(parameter, input) {
  const label = parameter.in === "query" || parameter.in === "path" ? parameter.name : `${parameter.name} (${parameter.in})`;
  return el("div", {}, el("label", { for: input.id }, label, parameter.required ? " *" : ""), input);
}

function inputFor(description, parameter) {
  const schema = description.resolve(parameter.schema ?? {});
  const choices = schema.enum ?? (schema.oneOf ?? schema.anyOf ?? []).map((one) => description.resolve(one)).find((one) => one.enum)?.enum
    ?? (schema.type === "boolean" ? [true, false] : undefined);
  const common = { id: `in-${parameter.in}-${parameter.name}`, required: parameter.required };
  if (choices) {
    const options = choices.filter((one) => one !== null).map((one) => el("option", { value: one }, String(one)));
    return el("select", common, parameter.required ? null : el("option", { value: "" }, "—"), options);
  }
  return el("input", { ...common, placeholder: schema.default ?? schema.format ?? "", autocomplete: "off" });
}

// What reads the body out of its input: JSON text, the fields of a form, or one file.
function bodyInput(description, body) {
  const [type, media] = Object.entries(body.content ?? {})[0] ?? ["application/json", {}];
  const schema = description.resolve(media.schema ?? {});
  if (type === "multipart/form-data") return formInput(description, schema);
  if (type === "application/json") {
    const text = el("textarea", { id: "in-body", spellcheck: "false", rows: "12" });
    text.value = JSON.stringify(media.example ?? sample(description, schema), null, 2);
    return { element: el("div", { class: "wide" }, el("label", { for: "in-body" }, "Body (JSON)"), text), type, read: () => text.value };
  }
  const file = el("input", { id: "in-body", type: "file" });
  return { element: el("div", { class: "wide" }, el("label", { for: "in-body" }, `Body (${type})`), file), type, read: () => file.files[0] };
}

function formInput(description, schema) {
  const inputs = Object.entries(schema.properties ?? {}).map(([name, node]) => {
    const one = description.resolve(node);
    const isFile = one.format === "binary" || one.contentMediaType !== undefined;
    return [name, el("input", { id: `in-form-${name}`, type: isFile ? "file" : "text", required: schema.required?.includes(name) })];
  });
  const read = () => {
    const form = new FormData();
    // Files go last: a server that streams them wants to know the rest before.
    for (const [name, input] of inputs) if (input.type !== "file" && input.value) form.append(name, input.value);
    for (const [name, input] of inputs) if (input.type === "file" && input.files[0]) form.append(name, input.files[0]);
    return form;
  };
  const element = inputs.map(([name, input]) => el("div", {}, el("label", { for: input.id }, name), input));
  return { element, type: null, read };
}

function build(operation, inputs, body) {
  const headers = new Headers();
  const query = new URLSearchParams();
  let path = operation.path;
  for (const [{ in: where, name }, { value }] of inputs) {
    if (where === "path") path = path.replace(`{${name}}`, encodeURIComponent(value));
    else if (where === "query" && value) query.append(name, value);
    else if (where === "header" && value) headers.set(name, value);
  }
  if (token()) headers.set("authorization", `Bearer ${token()}`);
  if (body?.type) headers.set("content-type", body.type);
  const search = query.size ? `?${query}` : "";
  return [path + search, { method: operation.method.toUpperCase(), headers, body: body?.read() }];
}

async function answerTo(operation, inputs, body) {
  const begun = performance.now();
  try {
    const [address, request] = build(operation, inputs, body);
    const answer = await fetch(address, request);
    const text = await readable(answer);
    return shown(address, request, answer, text, performance.now() - begun);
  } catch (fault) {
    return el("p", { class: "code bad" }, `No answer: ${fault.message}`);
  }
}

async function readable(answer) {
  const type = answer.headers.get("content-type") ?? "";
  if (!/json|text|xml|mpegurl|yaml|javascript/.test(type)) {
    const { size } = await answer.blob();
    return size ? `${size} bytes of ${type || "unknown type"}` : "";
  }
  const text = await answer.text();
  return type.includes("json") && text ? JSON.stringify(JSON.parse(text), null, 2) : text;
}

function shown(address, request, answer, text, milliseconds) {
  const headers = SHOWN_HEADERS.filter((name) => answer.headers.has(name)).map((name) => `${name}: ${answer.headers.get(name)}`);
  return el("div", {},
    el("p", {}, el("span", { class: `code ${kindOfStatus(answer.status)}` }, `${answer.status} ${answer.statusText}`),
      el("span", { class: "quiet" }, ` · ${Math.round(milliseconds)} ms · ${request.method} `), el("span", { class: "mono" }, address)),
    headers.length ? el("pre", { "aria-label": "Headers of the answer", tabindex: "0" }, headers.join("\n")) : null,
    text ? el("pre", { "aria-label": "Body of the answer", tabindex: "0" }, text.length > SHOWN_BYTES ? `${text.slice(0, SHOWN_BYTES)}\n…` : text) : null);
}
