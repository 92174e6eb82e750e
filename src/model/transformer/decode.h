/*
 * One token after the other with a key/value cache: for generation, and for measuring what a
 * structure costs. Matrices are used in place: float32, bfloat16 and the other formats as stored.
 */
#ifndef PARE_MODEL_TRANSFORMER_DECODE_H
#define PARE_MODEL_TRANSFORMER_DECODE_H

#include "model/transformer/transformer.h"

typedef struct pare_lm_decoder pare_lm_decoder;

/* For `sequences` at a time of at most `capacity` tokens. Borrows lm. */
pare_status pare_lm_decoder_create(const pare_lm *lm, int64_t sequences, int64_t capacity,
                                   pare_lm_decoder **out) PARE_MUST_CHECK;
void pare_lm_decoder_destroy(pare_lm_decoder *decoder);
/* Tokens so far; setting it lower forgets the later ones. */
int64_t pare_lm_decoder_length(const pare_lm_decoder *decoder);
void pare_lm_decoder_rewind(pare_lm_decoder *decoder, int64_t length);

/*
 * Takes one token of each sequence, token: (sequences), and returns the logits of the next:
 * (sequences, vocabulary), valid until the next call; NULL if logits are not wanted. The length
 * must be below the capacity. Deterministic for any number of threads. Cost: each weight is read
 * once.
 */
const float *pare_lm_decode(pare_lm_decoder *decoder, const int32_t *token, bool logits);
/* The same for `count` >= 1 tokens of each sequence, token: (sequences, count); the logits are
 * those after the last. Cost: each weight is read once for up to 32 tokens. */
const float *pare_lm_prefill(pare_lm_decoder *decoder, int64_t count, const int32_t *token,
                             bool logits);

/* Seconds of one decoding step, by structure. */
typedef struct pare_latency {
    int64_t groups, channels; /* the most of any layer */
    double *attention;        /* (groups + 1) of one half with so many key/value groups, or with so
                                 many query heads for each, which `groups` then counts */
    double *ffn;              /* (channels + 1) of one half with so many channels */
    double rest;              /* what the halves do not explain: embedding, norm, output */
} pare_latency;

/*
 * A model of other sizes that reads the weights of `like` as if they were its own, for timing:
 * layers: (layers), none larger than in `like`. Nothing is copied, so formats, places and memory
 * are those of the real thing; what it computes means nothing. q8_0 is refused.
 */
pare_status pare_lm_stand_in(const pare_lm *like, const pare_lm_layer *layers,
                             pare_lm *out) PARE_MUST_CHECK;
void pare_lm_stand_in_clear(pare_lm *stand_in);

/* Seconds of one step of each model after `position` tokens: the least of several, taken in turns.
 * seconds: (count). */
pare_status pare_latency_of_models(int64_t count, const pare_lm *const *lm, int64_t sequences,
                                   int64_t position, double *seconds) PARE_MUST_CHECK;

/*
 * Times the model and stand-ins with up to 8 sizes of one half and all of the other; linear between
 * them, never falling. queries: sizes of attention are query heads of a key/value head.
 */
pare_status pare_latency_measure(const pare_lm *lm, bool queries, int64_t sequences,
                                 int64_t position, pare_latency *out) PARE_MUST_CHECK;
void pare_latency_clear(pare_context *ctx, pare_latency *latency);

#endif
