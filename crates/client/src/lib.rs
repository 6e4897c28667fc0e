//! Speaks to nodes: BDNS, bricks, anchors, and DSUs on top.
