# Which figures there are, where the report puts them, and what figures 2 and 3 need.

FIRST = next(iter(PROTOCOLS))  # the protocol that the figures show
CATEGORIES = {
    "figure4a": ("1 Result", "figure 4a: mIoU over rate"),
    "figure4b": ("1 Result", "figure 4b: Fréchet distance over rate"),
    "figure2": ("2 Pictures", "figure 2: BPG and SPIC at one rate"),
    "figure3": ("2 Pictures", "figure 3: super-resolution, nothing compressed"),
    "rate_split": ("3 Details", "rate: SSM and coarse image"),
    "iou_per_class": ("3 Details", "IoU of every class"),
    "recall_by_size": ("3 Details", "small objects kept, by size"),
    "steps": ("3 Details", "steps of the decoder"),
}
PLOTS = ["figure4a", "figure4b", "rate_split", "iou_per_class"]
PLOTS += ["recall_by_size"] * bool(config["judge"]) + ["steps"] * bool(
    config["steps_csv"]
)
PAINTED = ["figure2"] * ("bpg" in POINTS) + ["figure3"] if "spic" in POINTS else []


def figure_files(names):
    """SVG and PNG of figures, {name_suffix: path}; the report takes plots as SVG, pictures as PNG."""
    files = {}
    for name in names:
        category, what = CATEGORIES[name]
        for suffix in ("svg", "png"):
            path = f"{RUN}/figures/{name}.{suffix}"
            if suffix == ("png" if name in PAINTED else "svg"):
                path = report(
                    path,
                    category=category,
                    caption=f"../report/{name}.rst",
                    labels={"what": what},
                )
            files[f"{name}_{suffix}"] = path
    return files


def painted_chunks():
    """Chunks whose pictures figures 2 and 3 choose from: of those that the config names, else the first."""
    wanted, names = config["figure_pictures"], list(DATASET.names)
    if not wanted:
        return CHUNKS[:1]
    at = {
        name: f"{names.index(name) // CHUNK_SIZE:04d}"
        for name in wanted
        if name in names
    }
    for name in wanted:
        if at.get(name) not in PARTS[FIRST]:
            sys.exit(
                f"config: figure_pictures: {name!r} is no picture that protocol {FIRST} looks at"
            )
    return sorted(set(at.values()))
