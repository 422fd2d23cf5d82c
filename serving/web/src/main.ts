import { mount } from "svelte";
import { Duet } from "./duet.svelte";
import App from "./views/App.svelte";
import "./views/style.css";
import "./views/parts.css";

const session = new URL("v1/session", document.baseURI);
session.protocol = session.protocol.replace("http", "ws");
const models = new URL("v1/models", document.baseURI);

mount(App, { target: document.body, props: { duet: new Duet(session.href, models.href) } });
