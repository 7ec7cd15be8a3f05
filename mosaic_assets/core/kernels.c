/* The loops over a tile's pixels in which a harvest spent most of its own time.
 *
 * Colour and hash come out to the bit as the numpy code beside their callers has them, which takes over where this file
 * was not compiled. kernels.py is the only caller. Nothing here allocates, keeps state or knows of Python, so any number
 * of threads may be inside at a time; lengths and types are checked before a pointer gets here.
 */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if !defined(__BYTE_ORDER__) || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "bits are packed for little-endian machines"
#endif

/* Compiled twice where the loader can choose: baseline x86-64 lacks the wide whole-number instructions. */
#if defined(__x86_64__) && defined(__linux__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__)
#define FOR_EACH_PROCESSOR __attribute__((target_clones("avx2", "default")))
#else
#define FOR_EACH_PROCESSOR
#endif
#define INLINE static inline __attribute__((always_inline))

enum {
    SIDE = 256,        /* pixels a side of a tile */
    ROW = 3 * SIDE,    /* bytes a row */
    TILE = SIDE * ROW, /* bytes a tile */
};

/* ---- Colour: sums of the rounded means of 4 x 4 pixels, see colour.mean_rgb ---- */

/* images: uint8 (n, 256, 256, 3); sums: uint32 (n, 3). */
FOR_EACH_PROCESSOR void mosaic_box_sums(const uint8_t *images, size_t n, uint32_t *sums)
{
    for (size_t tile = 0; tile < n; tile++) {
        const uint8_t *rows = images + tile * TILE;
        uint16_t four[ROW + 3] = {0};  /* sums of four bytes of a column */
        uint16_t eight[ROW + 6] = {0}; /* of four bytes of two neighbouring columns */
        uint16_t means[ROW] = {0};     /* of 64 boxes above each other, at most 64 * 255; every twelfth byte begins a box */
        for (int y = 0; y < SIDE; y += 4, rows += 4 * ROW) {
            for (int i = 0; i < ROW; i++)
                four[i] = (uint16_t)(rows[i] + rows[ROW + i] + rows[2 * ROW + i] + rows[3 * ROW + i]);
            for (int i = 0; i < ROW; i++)
                eight[i] = (uint16_t)(four[i] + four[i + 3]);
            for (int i = 0; i < ROW; i++)
                means[i] = (uint16_t)(means[i] + ((eight[i] + eight[i + 6] + 8) >> 4));
        }
        for (int channel = 0; channel < 3; channel++) {
            uint32_t sum = 0;
            for (int i = channel; i < ROW; i += 12)
                sum += means[i];
            sums[3 * tile + (size_t)channel] = sum;
        }
    }
}

/* ---- Hash: grey, then Lanczos resampling to 32 x 32 pixels, see phash._shrink ---- */

enum {
    SMALL = 32,                  /* pixels a side of the small picture */
    SCALE = SIDE / SMALL,
    TAPS = 6 * SCALE,            /* pixels that a small one looks at */
    BEYOND = (TAPS - SCALE) / 2, /* of them, on either side of those under it */
    FRACTION = 22,               /* bits of the weights' fractions, the lower ten of which stand apart */
    LOW = 10,
};

INLINE void grey_of(const uint8_t *row, int16_t *grey)
{
    for (int x = 0; x < SIDE; x++) { /* (19595 red + 38470 green + 7471 blue + 32768) >> 16, in words of 16 bits */
        uint16_t red = row[3 * x], green = row[3 * x + 1], blue = row[3 * x + 2];
        uint16_t high = (uint16_t)(76 * red + 150 * green + 29 * blue); /* of the weights' upper bytes */
        uint16_t low = (uint16_t)(139 * red + 70 * green + 47 * blue);  /* of the lower ones */
        uint16_t carry = (uint16_t)(((low >> 1) + 16384) >> 7);         /* (low + 32768) >> 8 without overflow */
        grey[x] = (int16_t)((uint16_t)(high + carry) >> 8);
    }
}

/* One small pixel, 0..255: products of 16 bits, of which processors do many at a time. */
INLINE uint8_t resampled(const int16_t *pixels, const int16_t *high, const int16_t *low)
{
    int32_t highs = 0, lows = 1 << (FRACTION - 1); /* a half, to round up */
    for (int tap = 0; tap < TAPS; tap++)
        highs += high[tap] * pixels[tap];
    for (int tap = 0; tap < TAPS; tap++)
        lows += low[tap] * pixels[tap];
    int32_t value = (highs * (1 << LOW) + lows) >> FRACTION;
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

/* images: uint8 (m, 256, 256, 3), those at n places; weights: int16 (32, 2, 48), upper and lower bits; out: uint8 (n, 32, 32). */
FOR_EACH_PROCESSOR void mosaic_shrink(
    const uint8_t *images, const int64_t *places, size_t n, const int16_t *weights, uint8_t *out)
{
    int16_t row[BEYOND + SIDE + BEYOND] = {0};
    int16_t narrow[SMALL][BEYOND + SIDE + BEYOND]; /* the columns of the picture once narrowed; nought beyond its edges */
    memset(narrow, 0, sizeof narrow);
    for (const int64_t *place = places; place < places + n; place++, out += SMALL * SMALL) {
        for (int y = 0; y < SIDE; y++) {
            grey_of(images + *place * TILE + y * ROW, row + BEYOND);
            for (int j = 0; j < SMALL; j++) {
                const int16_t *weight = weights + j * 2 * TAPS;
                narrow[j][BEYOND + y] = resampled(row + SCALE * j, weight, weight + TAPS);
            }
        }
        for (int i = 0; i < SMALL; i++)
            for (int j = 0; j < SMALL; j++) {
                const int16_t *weight = weights + i * 2 * TAPS;
                out[i * SMALL + j] = resampled(narrow[j] + SCALE * i, weight, weight + TAPS);
            }
    }
}

/* ---- PNG: Paeth's filter, https://www.w3.org/TR/png-3/#9Filters ---- */

INLINE int16_t magnitude(int16_t value)
{
    return (int16_t)(value < 0 ? -value : value);
}

/* image: uint8 (rows, width), width >= 3 bytes, three a pixel; out: uint8 (rows, 1 + width). */
FOR_EACH_PROCESSOR void mosaic_filter(const uint8_t *image, size_t rows, size_t width, uint8_t *out)
{
    *out++ = 1; /* "Sub": nothing is above the first row */
    memcpy(out, image, 3);
    for (size_t i = 3; i < width; i++)
        out[i] = (uint8_t)(image[i] - image[i - 3]);
    for (size_t y = 1; y < rows; y++) {
        const uint8_t *above = image;
        image += width, out += width;
        *out++ = 4; /* "Paeth" */
        for (size_t i = 0; i < 3; i++)
            out[i] = (uint8_t)(image[i] - above[i]);
        for (size_t i = 3; i < width; i++) {
            int16_t a = image[i - 3], b = above[i], c = above[i - 3];
            int16_t to_a = (int16_t)(b - c), to_b = (int16_t)(a - c), to_c = (int16_t)(to_a + to_b);
            to_a = magnitude(to_a), to_b = magnitude(to_b), to_c = magnitude(to_c);
            int16_t nearest = to_b <= to_c ? b : c;
            nearest = (to_a <= to_b && to_a <= to_c) ? a : nearest;
            out[i] = (uint8_t)(image[i] - nearest);
        }
    }
}

/* ---- PNG: one block of deflate, https://www.rfc-editor.org/rfc/rfc1951: Huffman codes, and runs of zeros ----
 *
 * What a filter leaves of imagery hardly ever repeats, so looking for repetitions, on which other compressors spend
 * their time, saves 3 % of the bytes. Runs of zeros are what flat pictures leave.
 */

enum {
    END = 256,      /* the symbol that ends a block */
    RUNS = 29,      /* symbols of run lengths behind it */
    SYMBOLS = END + 1 + RUNS,
    LONGEST = 12,   /* bits of a code: four of them fit in what `put` takes at a time */
    LONGEST_RUN = 258,
    SAMPLED = 4,    /* every so many words are counted; more change nothing that matters */
};

static const uint16_t RUN_BASE[RUNS] = {3,  4,  5,  6,  7,  8,  9,  10, 11,  13,  15,  17,  19,  23, 27,
                                        31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258};
static const uint8_t RUN_BITS[RUNS] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0};

struct code {
    uint16_t bits, length;
};

struct bits {
    uint64_t held; /* not yet written, the first bit lowest */
    unsigned count;
    uint8_t *to;
};

/* Take up to 56 bits in all between two calls of `flush`. */
INLINE void put(struct bits *bits, uint64_t value, unsigned count)
{
    bits->held |= value << bits->count;
    bits->count += count;
}

/* Write what is whole bytes; up to seven more bytes behind them are overwritten. */
INLINE void flush(struct bits *bits)
{
    memcpy(bits->to, &bits->held, 8);
    bits->to += bits->count >> 3;
    bits->held >>= bits->count & ~7u;
    bits->count &= 7;
}

INLINE void put_four(struct bits *bits, const struct code *codes, uint32_t bytes)
{
    struct code p = codes[bytes & 255], q = codes[bytes >> 8 & 255], r = codes[bytes >> 16 & 255], s = codes[bytes >> 24];
    uint64_t first = p.bits | (uint64_t)q.bits << p.length, second = r.bits | (uint64_t)s.bits << r.length;
    unsigned half = p.length + q.length;
    put(bits, first | second << half, half + r.length + s.length);
    flush(bits);
}

/* Length of the run of zeros at `from`, if eight at least come and one came before; else 0. */
INLINE size_t run_at(const uint8_t *from, const uint8_t *end, uint64_t *word)
{
    memcpy(word, from, 8);
    if (*word || from[-1])
        return 0;
    size_t length = 8, most = end - from < LONGEST_RUN ? (size_t)(end - from) : LONGEST_RUN;
    while (length < most && !from[length])
        length++;
    return length;
}

static int symbol_of_run(size_t length)
{
    int run = RUNS - 1;
    while (RUN_BASE[run] > length)
        run--;
    return run;
}

static void count_symbols(const uint8_t *data, const uint8_t *end, uint32_t counts[SYMBOLS])
{
    uint32_t apart[4][END] = {{0}}; /* equal bytes that follow each other would wait for each other's count */
    uint64_t word;
    for (int i = 0; i < SYMBOLS; i++)
        counts[i] = 1; /* every symbol gets a code, since not all is counted */
    for (const uint8_t *p = data + 1; end - p >= 8;) {
        size_t run = run_at(p, end, &word);
        if (run) {
            counts[END + 1 + symbol_of_run(run)]++;
            p += run;
            continue;
        }
        for (int i = 0; i < 8; i++, word >>= 8)
            apart[i & 3][word & 255]++;
        p += end - p > 8 * SAMPLED ? 8 * SAMPLED : 8;
    }
    for (int i = 0; i < END; i++)
        counts[i] += apart[0][i] + apart[1][i] + apart[2][i] + apart[3][i];
}

static int compare(const void *one, const void *other)
{
    uint64_t a = *(const uint64_t *)one, b = *(const uint64_t *)other;
    return (a > b) - (a < b);
}

/* How many symbols have codes of each length: Huffman's, then made no longer than LONGEST.
 *
 * order: counts above nine bits for the symbol, rarest first. */
static void share_out(const uint64_t order[SYMBOLS], uint32_t of_length[LONGEST + 1])
{
    uint64_t weight[2 * SYMBOLS - 1];
    uint16_t parent[2 * SYMBOLS - 1];
    uint16_t depth[2 * SYMBOLS - 1];
    int leaf = 0, node = SYMBOLS;
    for (int made = SYMBOLS; made < 2 * SYMBOLS - 1; made++) {
        weight[made] = 0;
        for (int child = 0; child < 2; child++) {
            int lighter = leaf < SYMBOLS && (node >= made || order[leaf] >> 9 <= weight[node]) ? leaf++ : node++;
            weight[made] += lighter < SYMBOLS ? order[lighter] >> 9 : weight[lighter];
            parent[lighter] = (uint16_t)made;
        }
    }
    depth[2 * SYMBOLS - 2] = 0;
    for (int i = 2 * SYMBOLS - 3; i >= 0; i--) {
        depth[i] = (uint16_t)(depth[parent[i]] + 1);
        if (i < SYMBOLS)
            of_length[depth[i] < LONGEST ? depth[i] : LONGEST]++;
    }
    uint32_t taken = 0; /* of the 2**LONGEST codes there are of that length */
    for (int length = 1; length <= LONGEST; length++)
        taken += of_length[length] << (LONGEST - length);
    for (; taken > 1u << LONGEST; taken--) { /* a shorter code makes room for one of the longest beside it */
        int length = LONGEST - 1;
        while (!of_length[length])
            length--;
        of_length[length]--, of_length[length + 1] += 2, of_length[LONGEST]--;
    }
}

/* The canonical code, its bits in the order in which they are written. */
static void make_codes(const uint32_t counts[SYMBOLS], struct code codes[SYMBOLS])
{
    uint64_t order[SYMBOLS];
    uint32_t of_length[LONGEST + 1] = {0}, next = 0;
    for (uint32_t i = 0; i < SYMBOLS; i++)
        order[i] = (uint64_t)counts[i] << 9 | i;
    qsort(order, SYMBOLS, sizeof *order, compare);
    share_out(order, of_length);
    for (int length = LONGEST, rank = 0; length > 0; length--)
        for (uint32_t i = 0; i < of_length[length]; i++)
            codes[order[rank++] & 511].length = (uint16_t)length;
    for (int length = 1; length <= LONGEST; length++, next <<= 1)
        for (int i = 0; i < SYMBOLS; i++)
            if (codes[i].length == length) {
                codes[i].bits = 0;
                for (int bit = 0; bit < length; bit++)
                    codes[i].bits = (uint16_t)(codes[i].bits << 1 | (next >> bit & 1));
                next++;
            }
}

/* Begin the block. Of the codes for code lengths, those of 0 to 15 take four bits each, and the three others none. */
static void put_header(struct bits *bits, const struct code codes[SYMBOLS])
{
    put(bits, 1 | 2 << 1, 3); /* the last block, with a code of its own */
    put(bits, SYMBOLS - 257, 5), put(bits, 0, 5), put(bits, 19 - 4, 4);
    for (int i = 0; i < 19; i++)
        put(bits, i < 3 ? 0 : 4, 3), flush(bits);
    for (int i = 0; i <= SYMBOLS; i++) { /* behind the symbols, one distance, of one bit */
        unsigned length = i < SYMBOLS ? codes[i].length : 1;
        put(bits, (length & 1) << 3 | (length & 2) << 1 | (length & 4) >> 1 | length >> 3, 4), flush(bits);
    }
}

/* data: n >= 1 bytes; out: room for mosaic_deflate_bound(n) bytes. Returns how many it took. */
size_t mosaic_deflate(const uint8_t *data, size_t n, uint8_t *out)
{
    const uint8_t *p = data, *end = data + n;
    struct bits bits = {0, 0, out};
    uint32_t counts[SYMBOLS];
    struct code codes[SYMBOLS];
    uint64_t word;
    count_symbols(data, end, counts);
    make_codes(counts, codes);
    put_header(&bits, codes);
    put(&bits, codes[*p].bits, codes[*p].length), flush(&bits), p++;
    while (end - p >= 8) {
        size_t length = run_at(p, end, &word);
        if (length) {
            int run = symbol_of_run(length);
            put(&bits, codes[END + 1 + run].bits, codes[END + 1 + run].length);
            put(&bits, length - RUN_BASE[run], RUN_BITS[run]);
            put(&bits, 0, 1), flush(&bits); /* the byte just before, again and again */
            p += length;
        } else {
            put_four(&bits, codes, (uint32_t)word), put_four(&bits, codes, (uint32_t)(word >> 32));
            p += 8;
        }
    }
    for (; p < end; p++)
        put(&bits, codes[*p].bits, codes[*p].length), flush(&bits);
    put(&bits, codes[END].bits, codes[END].length + 7u), flush(&bits); /* and fill the last byte */
    return (size_t)(bits.to - out);
}

/* Bytes that mosaic_deflate may write, whatever the n bytes: LONGEST bits each, the header, and flush's eight. */
size_t mosaic_deflate_bound(size_t n)
{
    return (n * LONGEST + 7) / 8 + 256;
}
