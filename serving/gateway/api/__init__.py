"""What goes over the wire: messages, frames, bodies, problem details, and the page that documents them."""
