import { mount } from "svelte";
import { Duet } from "./duet.svelte";
import { visitStore } from "./keep/storage";
import { GatewayAddress } from "./transport/address";
import { takeToken, tokenOf } from "./transport/token";
import App from "./views/App.svelte";
import "./views/style.css";
import "./views/parts.css";

const visit = visitStore();
const gateway = new GatewayAddress(document.baseURI, () => tokenOf(visit));

/** A token stays neither in sight nor in the history, and goes into no link that is passed on. */
function admit(): boolean {
  const rest = takeToken(location.hash, visit);
  if (rest === null) return false;
  history.replaceState(null, "", `${location.pathname}${location.search}${rest && `#${rest}`}`);
  return true;
}

admit();
const duet = new Duet(gateway);
window.addEventListener("hashchange", () => {
  if (admit()) duet.partner.retell();
});
mount(App, { target: document.body, props: { duet } });
