/* Latency of scoring as a resource: calibrated on this machine before a choice, predicted and
 * measured after it. */
#ifndef PARE_PROBLEM_EMBED_LATENCY_H
#define PARE_PROBLEM_EMBED_LATENCY_H

#include "problem/embed.h"

/* Whether the budget or option host asks for it. */
bool pare_embed_latency_wanted(const pare_embed *embed);
/* Calibrates, unless embed->latency holds rates already, and gives serving its times. After
 * pare_embed_list_fields. Seconds. */
pare_status pare_embed_latency_begin(pare_embed *embed) PARE_MUST_CHECK;
/* Predicts and measures what is kept. */
pare_status pare_embed_latency_end(pare_embed *embed) PARE_MUST_CHECK;

#endif
