"""How the measured numbers look in docs/: columns of tables, and sentences around single figures.

`TABLES`: marker, which is the name of the CSV file too, to its columns as `measured.table` takes them. `SENTENCES`:
marker to a text with fields of figures.csv. The part of a marker before "_" names the page.
"""

TABLES = {
    "methods_macs": {
        "method": "`{method}`",
        "> encoder, kMAC per pixel": "{encoder_kmac}",
        "> parameters": "{encoder_m} M",
        "> decoder, kMAC per pixel": "{decoder_kmac}",
        "> steps": "{steps}",
        ">  parameters": "{decoder_m} M",
    },
    "decoder_chain": {
        "QP": "{qp}",
        "> steps": "{steps}",
        "> mIoU": "{miou}",
        "> LPIPS": "{lpips}",
        "> to the row above": "[{lpips_low}, {lpips_high}]",
        "> fd_alex": "{fd_alex}",
        ">  to the row above": "[{fd_low}, {fd_high}]",
        "> CPU s": "{seconds}",
    },
    "decoder_coarse-colour": {
        "> QP": "{qp}",
        "coarse image": "{chroma}",
        "> bytes": "{bytes}",
        "> bpp of the image": "{bpp}",
        "> squared error of luma": "{luma_error}",
        "> of colour": "{colour_error}",
    },
    "video_maps": {
        "SSMs": "{ssms}",
        "> bytes per frame": "{bytes}",
        "> / by themselves": "{to_alone}",
        "> P maps alone": "{to_alone_p}",
        "> mIoU to ground truth": "{miou_gt}",
    },
    "video_coarse": {
        "coarse images": "{coder}",
        "> QP": "{qp}",
        "> bytes per frame": "{bytes}",
        "> PSNR, dB": "{psnr}",
    },
    "video_curves": {
        "method": "`{method}`",
        "> point": "{point}",
        "> bpp": "{bpp}",
        "> kbit/s": "{kbps}",
        "> of it SSMs, bpp": "{ssm}",
        "> mIoU": "{miou}",
        "> judge": "{judge}",
        "> ESPNet to ground truth": "{espnet_gt}",
        "> PSNR, dB": "{psnr}",
        "> flicker": "{flicker}",
    },
    "cluster_plan": {
        "> images": "{pictures}",
        "> points": "{points}",
        "> chunks": "{chunks}",
        "> jobs": "{jobs}",
        "> `snakemake -n`, CPU s": "{cpu_seconds}",
        "> peak MB": "{peak_mb}",
    },
    "cluster_overhead": {
        "rule": "{rule}",
        "> 1 image, CPU s": "{one_picture}",
        "> 8 images": "{eight_pictures}",
        "> no image, with Snakemake's share": "{no_picture}",
    },
    "flif_sizes": {
        "coder": {
            "flif": "**this codec**",
            "flif-interlaced": "this codec, interlaced",
            "reference-E100": "reference `flif` 0.4, `-N -E100`",
            "reference-default": "reference `flif` 0.4, default",
            "": "{coder}",
        },
        "> bytes": "{bytes}",
        "> bpp": {"flif": "**{bpp}**", "": "{bpp}"},
        "> encode ms (median, max)": {"reference-default": "about {encode_ms}", "": "{encode_ms}, {encode_ms_max}"},
        "> decode ms (median, max)": {"reference-default": "about {decode_ms}", "": "{decode_ms}, {decode_ms_max}"},
    },
    "metrics_coverage": {
        "> frames": "{frames}",
        "> correlation": "{correlation}",
        "> single frames": "{single_frames}",
        "> plain percentiles": "{plain_percentiles}",
        "> **stretched percentiles**": "**{stretched_percentiles}**",
        "> jackknife": "{jackknife}",
    },
    "ssm-coders_ground-truth": {
        "coder": {
            "labelmap": "**labelmap** (street seen)",
            "labelmap-street-unseen": "labelmap, prior without that street",
            "labelmap-plain": "**labelmap-plain**",
            "flif": "flif (ours)",
            "reference-flif-default": "flif, reference tool, default",
            "": "{coder}",
        },
        "> maps": "{maps}",
        "> bytes": {"labelmap": "**{bytes}**", "": "{bytes}"},
        "> bpp": {"labelmap": "**{bpp}**", "": "{bpp}"},
        "> / reference FLIF": {"labelmap": "**{to_reference_flif}**", "": "{to_reference_flif}"},
        "> encode ms": "{encode_ms}",
        "> decode ms": "{decode_ms}",
    },
    "ssm-coders_other-maps": {
        "coder": "{coder}",
        "> predicted: bytes": "{predicted_bytes}",
        "> ratio": "{predicted_to_flif}",
        "> street_scenes": "{street_scenes_bytes}",
        "> ratio ": "{street_scenes_to_flif}",
        "> street_scenes_city": "{street_scenes_city_bytes}",
        "> ratio  ": "{street_scenes_city_to_flif}",
    },
    "ssm-coders_prior-width": {
        "> width of the network": {"0": "none: `labelmap-plain`", "128": "**{width} (shipped)**", "": "{width}"},
        "> file": {"128": "**{file_mb} MB**", "": "{file_mb} MB"},
        "> bytes per map": "{bytes}",
        "> ms per map": "{ms}",
    },
    "ssm-coders_coarse-context": {
        "maps": "{maps}",
        "prior": "{prior}",
        "> bytes without the coarse image": "{bytes_without}",
        "> with it": "{bytes_with}",
    },
    "ssm-coders_simplify": {
        "maps (every eighth)": "{maps}",
        "> dropped under, pixels": "{dropped_under_pixels}",
        "> bytes": "{bytes}",
        "> mIoU against the map as it was": "{miou_to_unsimplified}",
        "> pixels changed": "{changed_percent} %",
    },
    "segmenters_replaced": {
        "SSM by": "`{segmenter}`",
        "coarse image": "{point}",
        "> SSM, bpp": "{bpp_ssm}",
        "> bpp": "{bpp}",
        "> mIoU by the judge": "{miou_independent}",
        "> its own mIoU to ground truth": "{own_gt}",
        "> small objects found": "{recall}",
    },
    "segmenters_judge": {
        "segmenter": "`{segmenter}`",
        "frames": "{frames}, {n}",
        "> mIoU": "{miou:.3f}",
        "> agreement": "{agreement:.3f}",
        "> pole": "{pole:.2f}",
        "> sign": "{sign:.2f}",
        "> pedestrian": "{pedestrian:.2f}",
        "> bicyclist": "{bicyclist:.2f}",
        "> car": "{car:.2f}",
        "> fence": "{fence:.2f}",
    },
    "results_judges": {
        "network": "{network}",
        "trained on": "{trained_on}",
        "> original": "{original_gt}",
        "> SPIC": "{spic_gt}",
        "> BPG": "{bpg_gt}",
        "> BPG's rate for SPIC's": "{times} times",
        "> SSM alone, to its own map": "{ssm}",
        "> SPIC, to its own map": "{spic}",
        "> BPG, to its own map": "{bpg}",
    },
    "segmenters_internimage-files": {
        "file": "`{file}`",
        "> MB (float16)": "{mb_float16}",
        "> parameters": "{parameters_million} M",
        "> Cityscapes val mIoU, single scale / multi-scale + flip (the authors' numbers)": (
            "{miou_single_scale} / {miou_multi_scale_flip}"
        ),
        "SHA-256 begins": "`{sha256_begins}`",
    },
    "segmenters_internimage-agreement": {
        "": "{what}",
        "> float64": {"DCNv3 operator": "below {float64}", "": "{float64}"},
        "> float32": {"DCNv3 operator": "below {float32}", "": "{float32}"},
        "> allowed in float32": "{allowed_float32}",
    },
    "segmenters_internimage-speed": {
        "way": {
            "plain": "plain: `grid_sample`, direct convolutions, as the official PyTorch operator does it",
            "fast-float32": "**fast, float32**",
            "fast-bfloat16": "fast, bfloat16",
            "": "{way}",
        },
        "> CPU s": {"fast-float32": "**{cpu_s}**", "": "{cpu_s}"},
        " ": {
            "plain": "any device",
            "fast-float32": "logits differ by {logit_difference}; no pixel changes its class",
            "": "logits differ by {logit_difference}; {changed_percent_min} to {changed_percent_max} % of the pixels "
            "change their class (random weights, whose classes lie close)",
        },
    },
    "methods_dsslic": {
        "> `coarse_qp`": "{coarse_qp}",
        "> `residual_qp`": "{residual_qp}",
        "> bpp": "{bpp}",
        "> PSNR": "{psnr} dB",
        "> BPG's bpp at that PSNR": "{bpp_bpg_420}",
        "> BPG's, 4:4:4": "{bpp_bpg_444}",
        "> PSNR if rebuilt in bfloat16": "{psnr_bfloat16} dB",
    },
    "cli_cold": {
        "command": "`spic {command}`",
        "> CPU s": "{cpu_s}",
        "> wall-clock s": "{wall_s}",
        "> CPU s of 0.1.0": "{other_cpu_s}",
        "> ratio": "{ratio}",
    },
    "cli_steps": {"step": "{step}", "> CPU s": "{cpu_s}"},
    "cli_determinism": {
        "against float32, 1 thread": "{setting}",
        "> largest difference": "{largest_difference}",
        "> mean difference": {"float32, 2 threads": "below {mean_difference}", "": "{mean_difference}"},
        "> PSNR between the two": {"float32, 1 thread again": "the same bytes", "": "{psnr_db} dB"},
    },
}

SENTENCES = {
    "results_own": """\
Our own segmenter said that BPG needs {times_segmenter} times SPIC's rate, our judge {times_judge} times.""",
    "decoder_memory": """\
At the released size and 256x512 one image's scales and shifts take {scales_gib} GiB in float32, half of it in
bfloat16.""",
    "decoder_speed-remarks": """\
The rows for 1.0 are medians over six steps, on and off alike. Two earlier runs timed only the first step after each
preparation, when memory is allocated again, and gave {earlier_ratio_1}x and {earlier_ratio_2}x; the rows for 1.5 are
of that kind (two steps each). The matrix rate ({matrix_rate} GFLOP/s) was measured once at the start, so shares near 1
say more about the other work on the machine than about the code.""",
    "decoder_agreement": """\
With and without savings the images of the conformance case `tiny_noupdown` differ by at most {savings_difference}
after the whole 20-step chain, at guidance 1.0 and 1.5 alike, and both are within {official_difference} of the
authors' own output.""",
    "flif_neighbours": """\
One clip is one clip: neighbouring maps agree in {neighbours_percent} % of their pixels.""",
    "flif_compile": """\
The first call compiles for this machine, once: about {compile_encode_s} s of CPU time for encoding and
{compile_decode_s} s for decoding (logged by `spic.codecs.jit` at level INFO), then the code lies in numba's disk
cache and loads in under a second. `NUMBA_CACHE_DIR` moves the cache.""",
    "flif_agreement": """\
All {files} files come out bit-exact, {files_buckets} of them with Color_Buckets.""",
    "metrics_once": """\
Once per point, whatever the number of images, starting the process and loading the networks costs about {start_s} s,
and for 101 images `fd_patch` {fd_patch_s} s, KID {kid_s} s, `fd_lite0` and an interval of mIoU {fd_ms} ms each.
Inception and LPIPS come on top where their weights are given (LPIPS: {lpips_alex_s} s with AlexNet, {lpips_vgg_s} s
with VGG16).""",
    "ssm-coders_longest": """\
The longest single call of `labelmap` took {longest_ms} ms ({longest_truth_ms} on ground truth). `street_scenes_city`
has 19 classes, which the prior never saw.""",
    "ssm-coders_compile": """\
The first use compiles for this machine: {compile_s} s of CPU time, once for both directions (logged by
`spic.codecs.jit` at level INFO); then the code lies in numba's disk cache and loads in {load_s} s.
`NUMBA_CACHE_DIR` moves the cache.""",
    "segmenters_pass": """\
A pass takes about {pass_gb} GB beside the weights, at 2048x1024 (`native`) {native_gb} GB and {native_s} CPU seconds;
several images share one only while they have no more than 1024x512 pixels together.""",
    "segmenters_gather": """\
Gathering by `embedding_bag` is {gather_ratio_min} to {gather_ratio_max} times faster than `grid_sample`.""",
    "extending_choices": """\
| codec | setting | why |
| --- | --- | --- |
| `jpeg` | baseline, optimised Huffman tables, 4:2:0 | at 0.5 bpp {jpeg_percent} % smaller than progressive |
| `webp` | method 6 | {webp_percent_min} to {webp_percent_max} % fewer bytes than 4 for {webp_db_min} to \
{webp_db_max} dB, {webp_s} s per image |
| `avif` | libaom, speed 4, 4:2:0, one thread | {avif_s} s; speed 2 takes {avif_slow_s} s for {avif_slow_db} dB, \
speed 6 loses {avif_fast_db_min} to {avif_fast_db_max} dB |
| `jpegxl` | effort 7 | libjxl's own choice; 9 takes {jpegxl_ratio} times as long and is no better in PSNR at \
equal rate |
| `jpegxl-lossless` | effort 9 | label maps are small, and it pays there |
| `webp-lossless` | quality 100, method 6 | {webp_lossless_percent} % smaller than quality 80 on label maps |
| `jpeg2000` | see `spic/codecs/jpeg2000.py` | the codestream alone counts |

Whole files count: some {avif_container_bytes} bytes of an AVIF file are its container, which BPG and the bare JPEG XL
and JPEG 2000 codestreams do not pay.""",
    "cli_tiles": """\
On a drawn 1280x640 street the tiled image differs from the one rebuilt in one piece by {tiles_difference} of 255 on
average, nowhere more at the tiles' borders than elsewhere.""",
    "cli_streets": """\
The limits were chosen on {limits_frames} frames of CamVid's training split (every 11th) and {limits_drawn} drawn
streets, against {limits_photographs} photographs (a flower, a portrait, a temple), {limits_made} drawn images (noise,
plain colours, a page of text, balls, a face, a meadow, the sea) and {limits_turned} of the frames upside down or on
their side. With the shipped segmenter all {streets_told} streets and all {others_told} others are recognised.""",
}
