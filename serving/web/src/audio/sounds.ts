/** The sounds that a voice can have. */

import { type Who } from "../session/turn";

export const SOUNDS = ["piano", "electric", "pipe", "glass"] as const;
export type Sound = (typeof SOUNDS)[number];
export type Sounds = Readonly<Record<Who, Sound>>;
