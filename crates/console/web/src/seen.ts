// What every view is given.

import type { Status } from "./api";
import type { Polled } from "./pulse";
import type { Series } from "./series";

/** The node's state and its figures over time, as they were answered last. */
export interface Seen {
    status: Polled<Status>;
    series: Series;
}
