//! What both services share: configuration, accept loop, limits, errors, CORS.
