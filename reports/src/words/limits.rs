//! The limits of the figures; every report ends with them.

/// One paragraph each.
pub const LIMITS: &[&str] = &[
    "The figures hold for this machine, these versions and these settings; ratios travel further than \
     figures.",
    "Intervals come from a bootstrap on two levels: repetitions are resampled, then the samples within \
     each (Davison and Hinkley 1997, §3.8; Kalibera and Jones 2013), and what that misses of few \
     repetitions is made up for by Student's factor (Hesterberg 2015). A figure is the mean over the \
     repetitions of each one's median or percentile. Ratios are resampled on both sides independently.",
    "Where repetitions contradict each other, as they do near saturation, that gives intervals over orders \
     of magnitude, with ends that nothing could reach: such a figure is not known.",
    "Intervals speak of the noise within this run, not of another machine, and not of what is the same in all \
     of its repetitions, such as how the binary was linked.",
    "\"No significant difference\" is no proof that there is none. The smallest effect that is named with \
     it, √(high / low) − 1 of the ratio's interval, would have been seen in about half of all such runs.",
    "`start` ends when the instance can answer. What an image registry, a scheduler or a network would \
     add is not in it, and images, snapshots and compiled code are on the local disk already.",
    "Memory is what the host pays for one more live instance: proportional set size of the server, \
     control group without inactive file pages, and the helper processes of a container. Memory that the \
     kernel shares or keeps for itself beyond that is not seen.",
    "A closed loop waits for the server under overload, and so hides what a queue of users would have \
     suffered; an open loop does not.",
    "Speed says nothing about how strong the wall is. `direct` has none at all and is no model to choose; \
     it is there to show what the front end itself costs.",
];
