// Who the requests are made as. The token lives in this tab only.
const KEY = "moocflix.token";
const byId = (id) => document.getElementById(id);

export const token = () => sessionStorage.getItem(KEY);

function keep(value) {
  if (value) sessionStorage.setItem(KEY, value);
  else sessionStorage.removeItem(KEY);
  show();
}

async function show() {
  const held = token();
  byId("sign-out").hidden = !held;
  byId("sign-in").hidden = Boolean(held);
  byId("who").textContent = held ? await nameOf(held) : "Not signed in";
}

async function nameOf(held) {
  const answer = await fetch("/api/v1/users/profile", { headers: { authorization: `Bearer ${held}` } }).catch(() => null);
  if (!answer?.ok) return answer?.status === 401 ? "The token no longer counts" : "Signed in";
  const { data } = await answer.json();
  return `${data.name} · ${data.role}`;
}

async function signIn() {
  if (byId("token").value.trim()) return byId("token").value.trim();
  const answer = await fetch("/api/v1/users/login", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ email: byId("email").value, password: byId("password").value }),
  });
  const said = await answer.json();
  if (!answer.ok) throw new Error(said.error?.message ?? `The platform answers ${answer.status}.`);
  return said.data.token;
}

export function start() {
  const dialog = byId("sign-in-dialog");
  byId("sign-in").addEventListener("click", () => dialog.showModal());
  byId("sign-in-cancel").addEventListener("click", () => dialog.close());
  byId("sign-out").addEventListener("click", () => keep(null));
  byId("sign-in-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      keep(await signIn());
      event.target.reset();
      byId("sign-in-fault").textContent = "";
      dialog.close();
    } catch (fault) {
      byId("sign-in-fault").textContent = fault.message;
    }
  });
  show();
}
