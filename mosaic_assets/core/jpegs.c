/* Many tiles' JPEG files decoded, measured and digested in one call, by the system's libjpeg-turbo.
 *
 * Calling a decoder for each tile makes as many threads as judge tiles wait for Python's lock each time it comes back. Only
 * plain files are decoded here, of which any libjpeg-turbo makes the same pixels; jpegs.py, the only caller, leaves all
 * others, and all that fail, to the decoder that takes them one by one and says what is wrong with them.
 *
 * Nothing here keeps state or knows of Python, so any number of threads may be inside at a time.
 */

#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <jpeglib.h>

#ifndef LIBJPEG_TURBO_VERSION
#error "another libjpeg: its pixels are others"
#endif

enum {
    SIDE = 256,              /* pixels a side of a tile */
    ROW = 3 * SIDE,          /* bytes a row */
    TILE = SIDE * ROW,       /* bytes a tile */
    DIGEST = 32,             /* bytes of a SHA-256 */
};

/* What is done with a file's bytes, as OpenSSL's SHA256, and with a tile's pixels, as mosaic_box_sums. */
typedef unsigned char *digest_function(const unsigned char *bytes, size_t size, unsigned char *digest);
typedef void measure_function(const uint8_t *images, size_t n, uint32_t *sums);

struct failing {
    struct jpeg_error_mgr base;
    jmp_buf back;
};

static void give_up(j_common_ptr common)
{
    longjmp(((struct failing *)common->err)->back, 1);
}

/* Below 0 are warnings: something was made up in the place of damaged data. */
static void heed(j_common_ptr common, int level)
{
    if (level < 0)
        give_up(common);
}

static int is_plain(const struct jpeg_decompress_struct *file)
{
    if (file->image_width != SIDE || file->image_height != SIDE || file->num_components != 3)
        return 0;
    const jpeg_component_info *light = file->comp_info, *blue = light + 1, *red = light + 2;
    return file->jpeg_color_space == JCS_YCbCr && file->data_precision == 8 && !file->progressive_mode && !file->arith_code
           && blue->h_samp_factor == 1 && blue->v_samp_factor == 1 && red->h_samp_factor == 1 && red->v_samp_factor == 1
           && light->h_samp_factor <= 2 && light->v_samp_factor <= light->h_samp_factor;
}

/* Returns whether the file was plain and whole; if not, the picture holds anything. */
static int decode(struct jpeg_decompress_struct *file, struct failing *failing, const uint8_t *body, size_t size, uint8_t *picture)
{
    if (setjmp(failing->back)) {
        jpeg_abort_decompress(file);
        return 0;
    }
    jpeg_mem_src(file, body, size);
    jpeg_read_header(file, TRUE);
    if (!is_plain(file)) {
        jpeg_abort_decompress(file);
        return 0;
    }
    JSAMPROW rows[SIDE];
    for (int row = 0; row < SIDE; row++)
        rows[row] = picture + row * ROW;
    file->out_color_space = JCS_RGB;
    jpeg_start_decompress(file);
    while (file->output_scanline < SIDE)
        jpeg_read_scanlines(file, rows + file->output_scanline, SIDE - file->output_scanline);
    jpeg_finish_decompress(file);
    return 1;
}

/* bodies: n files of so many bytes; canvas: uint8 (n, 256, 256, 3); decoded: n, whether a picture stands on the canvas;
 * sums: uint32 (n, 3), of those; digests: uint8 (n, 32), of all bodies. */
void mosaic_read_tiles(
    const uint8_t *const *bodies, const size_t *sizes, size_t n, uint8_t *canvas, uint8_t *decoded,
    measure_function *measure, uint32_t *sums, digest_function *digest, uint8_t *digests)
{
    struct jpeg_decompress_struct file;
    struct failing failing;
    volatile int able = 0; /* it is looked at after a longjmp */
    file.err = jpeg_std_error(&failing.base);
    failing.base.error_exit = give_up;
    failing.base.emit_message = heed;
    if (!setjmp(failing.back)) {
        jpeg_create_decompress(&file);
        able = 1;
    }
    for (size_t i = 0; i < n; i++) {
        uint8_t *picture = canvas + i * TILE;
        digest(bodies[i], sizes[i], digests + i * DIGEST);
        decoded[i] = able && decode(&file, &failing, bodies[i], sizes[i], picture);
        if (decoded[i])
            measure(picture, 1, sums + 3 * i);
    }
    jpeg_destroy_decompress(&file);
}
