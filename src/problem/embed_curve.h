/* Quality against budget, for every method. */
#ifndef PARE_PROBLEM_EMBED_CURVE_H
#define PARE_PROBLEM_EMBED_CURVE_H

#include "problem/embed.h"

/* After the choice: chooses by every method within an eighth, a quarter, half and all of the budget
 * (where there is none, of the bytes of everything), trains each choice and scores it on the rows
 * held out, into embed->curve. Where nothing fits, the scores are NaN. Cost: that of so many runs.
 */
pare_status pare_embed_draw_curve(pare_embed *embed) PARE_MUST_CHECK;

#endif
