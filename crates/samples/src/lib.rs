//! Realistic health records from a seed: FHIR bundles, summaries, imaging studies, leaflets, device readings.
