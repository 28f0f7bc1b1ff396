// Shows whether the platform is ready; without it the page says the same through its link.
const state = document.querySelector("#state");

function show(word, kind) {
  state.textContent = word;
  state.className = `state ${kind}`;
}

async function look() {
  try {
    const answer = await fetch("/health/ready", { headers: { accept: "application/json" } });
    const { degraded = [] } = await answer.json();
    if (!answer.ok) show("not ready", "bad");
    else if (degraded.length) show(`ready, without ${degraded.join(", ")}`, "warn");
    else show("ready", "good");
  } catch {
    show("does not answer", "bad");
  }
}

look();
setInterval(look, 10_000);
