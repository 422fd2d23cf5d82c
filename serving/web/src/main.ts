import { mount } from "svelte";
import { Duet } from "./duet.svelte";
import App from "./views/App.svelte";
import "./views/style.css";

const gateway = new URL("v1/session", document.baseURI);
gateway.protocol = gateway.protocol.replace("http", "ws");

mount(App, { target: document.body, props: { duet: new Duet(gateway.href) } });
