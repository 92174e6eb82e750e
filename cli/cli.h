/*
 * The `pare` program: what its files share. A command is one file with one `pare_command` and one
 * row in the table of main.c; its options are sections of the library's table and, rarely, options
 * of its own.
 */
#ifndef PARE_CLI_CLI_H
#define PARE_CLI_CLI_H

#include "pare/pare.h"

/* Exit codes: code, number, meaning. Stable; shown by --help and docs/options.md. */
#define PARE_EXIT_LIST(X)                                                                          \
    X(PARE_EXIT_OK, 0, "done")                                                                     \
    X(PARE_EXIT_NO_RESULT, 1,                                                                      \
      "no result: --time-limit passed before the first choice, or numbers overflowed")             \
    X(PARE_EXIT_INPUT, 2, "a bad argument, an unreadable file or bad content")                     \
    X(PARE_EXIT_OUTPUT, 3, "an output could not be written")                                       \
    X(PARE_EXIT_MEMORY, 4, "out of memory")                                                        \
    X(PARE_EXIT_INTERRUPTED, 130,                                                                  \
      "interrupted (Ctrl-C, SIGTERM); what was chosen is written, except by embed and train")

typedef enum pare_exit {
#define PARE_EXIT_ENUM(code, number, text) code = number,
    PARE_EXIT_LIST(PARE_EXIT_ENUM)
#undef PARE_EXIT_ENUM
} pare_exit;

enum { PARE_POSITIONALS_MAX = 4, PARE_OWN_OPTIONS_MAX = 16, PARE_GIVEN_MAX = 64 };

typedef struct pare_cli pare_cli;

typedef struct pare_command {
    const char *name;
    const char *summary;  /* one line of `pare --help`; NULL: not listed there */
    const char *usage;    /* what follows the name: "FILE -k COUNT [options]" */
    const char *examples; /* lines that begin with the program's name, each ended by \n */
    const char *sections; /* sections of the library's options it takes, "data|output"; "": none */
    const pare_option *own; /* options that are not in the library's table */
    int64_t own_count;      /* <= PARE_OWN_OPTIONS_MAX */
    int64_t positionals;    /* so many file names */
    int64_t optional;       /* and at most so many more */
    pare_exit (*run)(pare_cli *cli);
} pare_command;

/* What the person watching is shown on standard error. */
typedef struct pare_view {
    bool quiet;
    bool terminal;     /* one line, rewritten in place; else plain lines now and then */
    int64_t columns;   /* width of the terminal */
    bool line_open;    /* the cursor stands behind a line that will be rewritten */
    bool said_stop;    /* the answer to the first Ctrl-C was shown */
    char stage[32];    /* of the latest plain line */
    double next_plain; /* second of that stage from which another plain line is due */
} pare_view;

/* One run of one command. */
struct pare_cli {
    const pare_command *command;
    pare_context *ctx;
    pare_config *config; /* values of the library's options */
    const char *positional[PARE_POSITIONALS_MAX];
    const char *own[PARE_OWN_OPTIONS_MAX]; /* values of command->own, its default if not given */
    const char *given[PARE_GIVEN_MAX];     /* names of options on the command line, each once */
    int64_t givens;
    bool help;    /* --help was among the arguments */
    int64_t rank; /* of several processes; only 0 writes */
    pare_view view;
};

/* ---- main.c ---- */

/* The commands in the order of `pare --help`; NULL past the end. */
const pare_command *pare_command_at(int64_t index);

/* Prints "pare: <sentence>" to standard error and returns `code`. */
pare_exit pare_cli_fail(pare_cli *cli, pare_exit code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same with the library's sentence; the code follows from the status. */
pare_exit pare_cli_failed(pare_cli *cli, pare_status status);
/* Flushes standard output: PARE_EXIT_OK, or a sentence and PARE_EXIT_OUTPUT. */
pare_exit pare_cli_flush(pare_cli *cli);
/* PARE_EXIT_OK if the file can be opened for reading ("-" always), else a sentence: what would come
 * late is said before long work. */
pare_exit pare_cli_readable(pare_cli *cli, const char *path);
/* What writing came to: PARE_EXIT_OK, or the sentence, PARE_EXIT_OUTPUT where a file failed. */
pare_exit pare_cli_written(pare_cli *cli, pare_status status);
/* The same, and says "written to WHAT" where it went well. */
pare_exit pare_cli_wrote(pare_cli *cli, pare_status status, const char *what);
/* Prints the text of a result unless option quiet is given. */
pare_exit pare_cli_put(pare_cli *cli, pare_status status, const char *text);
/* The current value of a library option; "" if it cannot be had. */
const char *pare_cli_text(pare_cli *cli, const char *option);
bool pare_cli_flag(pare_cli *cli, const char *option);

/* ---- outputs.c: PARE_EXIT_OK, or a sentence before any work ---- */

/* Whether the file could be written ("-" always) and is no other file of the command line. option:
 * the option that names it, "" for a file without one. */
pare_exit pare_cli_writable(pare_cli *cli, const char *option, const char *path);
/* The second part of that alone. A state may be that which option continue names. */
pare_exit pare_cli_alone(pare_cli *cli, const char *option, const char *path);
/* pare_cli_writable for library options; "": not wanted. */
pare_exit pare_cli_outputs_writable(pare_cli *cli, const char *const *options, int64_t count);
/* The same for the files STEM.* of an analysis, by its STEM.json, and its report; "": not wanted.
 */
pare_exit pare_cli_results_writable(pare_cli *cli, const char *stem, const char *report);
/* A folder to be written: pare_cli_alone, and nothing of that name is there or option overwrite is
 * given. */
pare_exit pare_cli_absent(pare_cli *cli, const char *option, const char *path);

/* ---- select.c ---- */

/* Opens the table named first and, with option test, its test rows (else *test stays NULL). */
pare_exit pare_cli_open_tables(pare_cli *cli, pare_dataset **train, pare_dataset **test);

/* ---- Own options of commands ---- */

#define PARE_OWN_TEXT(section_, name_, initial_, help_)                                            \
    {                                                                                              \
        .size = sizeof(pare_option), .name = name_, .section = section_, .type = PARE_OPTION_TEXT, \
        .initial = initial_, .choices = "", .help = help_                                          \
    }
#define PARE_OWN_NUMBER(section_, name_, type_, initial_, low_, high_, help_)                      \
    {                                                                                              \
        .size = sizeof(pare_option), .name = name_, .section = section_, .type = type_,            \
        .initial = initial_, .low = low_, .high = high_, .choices = "", .help = help_              \
    }
#define PARE_OWN_FLAG(section_, name_, help_)                                                      \
    {                                                                                              \
        .size = sizeof(pare_option), .name = name_, .section = section_, .type = PARE_OPTION_BOOL, \
        .initial = "false", .choices = "", .help = help_                                           \
    }
#define PARE_OWN_CHOICE(section_, name_, initial_, choices_, help_)                                \
    {                                                                                              \
        .size = sizeof(pare_option), .name = name_, .section = section_,                           \
        .type = PARE_OPTION_CHOICE, .initial = initial_, .choices = choices_, .help = help_        \
    }

/* ---- embed.c ---- */

/* How rows of fields are read: own options 0 .. PARE_SCORE_OWN - 1 of embed, train and score. */
#define PARE_ROWS_OPTIONS                                                                          \
    PARE_OWN_CHOICE("data", "format", "auto", "auto|csv|tsv|libffm|libfm|criteo",                  \
                    "format of the rows; auto looks at name and content"),                         \
        PARE_OWN_TEXT("data", "target", "",                                                        \
                      "label column of csv and tsv: name or 0-based index (default: the last)"),   \
        PARE_OWN_TEXT("data", "ignore", "",                                                        \
                      "columns of csv and tsv to leave out, separated by commas"),                 \
        PARE_OWN_TEXT("data", "categorical", "",                                                   \
                      "number columns of csv and tsv to read as categories"),                      \
        PARE_OWN_CHOICE("data", "header", "auto", "auto|yes|no",                                   \
                        "whether the first line of csv and tsv names the columns")

/* The options that embed, train and score share: the first PARE_SCORE_OWN speak of rows, the last
 * one only of choosing. */
enum { PARE_SCORE_OWN = 5, PARE_EMBED_OWN = 12 };
extern const pare_option pare_embed_own[PARE_EMBED_OWN];
/* Whether the rows and the files that these options name can be read. */
pare_exit pare_embed_check(pare_cli *cli, const char *const *inputs, int64_t count);
/* Gives the values of the first `count` own options of the command, in this order, to the library.
 */
pare_exit pare_embed_set(pare_cli *cli, int64_t count);
/* Shows how far the work on embeddings is; stops: the first Ctrl-C ends it, and nothing is written.
 */
void pare_embed_watch_work(pare_cli *cli);

/* ---- model.c ---- */

/* Opens a language model, or says why not. */
pare_exit pare_cli_open_model(pare_cli *cli, const char *path, pare_model **out);

/* ---- lines.c ---- */

/* Lines "name: value", printed as they come or, with json, kept for the end. */
typedef struct pare_lines {
    pare_context *ctx;
    bool json, failed; /* failed: out of memory */
    char *text;
    size_t length, room;
} pare_lines;
/* Every line ends in \n; an empty one begins another group. */
void pare_lines_add(pare_lines *lines, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* With json: {"format": ..., "format_version": 1, GROUPS: [an object a group]} on standard output.
 * Names become lower case with underscores, lines "layer ..." the list "shape". Frees the lines. */
void pare_lines_finish(pare_lines *lines, const char *format, const char *groups);

/* ---- arguments.c ---- */

/* Reads argv[0 .. argc - 1], the words after the command's name, into cli. */
pare_exit pare_cli_parse(pare_cli *cli, int argc, char **argv);
/* Whether the command line has the option, be it with the value that it has anyway. */
bool pare_cli_given(const pare_cli *cli, const char *option);
/* Refuses the first of these `count` options that is given: "option model: <why>". */
pare_exit pare_cli_without(pare_cli *cli, const char *const *options, int64_t count,
                           const char *why);
/* True if section `section` is one of a '|' list. */
bool pare_cli_takes(const char *sections, const char *section);
/* The name nearest to `word` so far: keeps *best and *distance of the closest of several calls.
 * Start with *best = NULL; it stays NULL where nothing is near. */
void pare_cli_nearer(const char *word, const char *name, const char **best, int64_t *distance);

/* ---- help.c ---- */

void pare_help_program(void);
void pare_help_command(const pare_command *command);
/* docs/options.md: the options of all commands and the exit codes. */
void pare_help_markdown(void);

/* ---- progress.c ---- */

void pare_view_init(pare_view *view, bool quiet);
/* A line that passes ("reading data.csv"): rewritten on a terminal, printed once elsewhere. */
void pare_view_status(pare_view *view, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* A line that stays. */
void pare_view_say(pare_view *view, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Removes the passing line, so that something else can be printed. */
void pare_view_clear(pare_view *view);
/* A pare_progress_fn; user: pare_view. Nonzero once the program was interrupted. */
int pare_view_progress(void *user, const pare_progress *progress);

/* ---- system.c: all that is not C17 ---- */

/* Makes sure that descriptors 0 to 2 exist, so that no file we open can become one of them. */
void pare_system_prepare(void);
/* True if standard error is a terminal that can rewrite a line; *columns: its width. */
bool pare_system_terminal(int64_t *columns);
/* Ctrl-C and SIGTERM: ends the program at once with 130, unless `keep`: then the first one only
 * makes pare_system_interrupted() true and the second one ends it. */
void pare_system_catch(bool keep);
bool pare_system_interrupted(void);
/* Whether something of that name is there. */
bool pare_system_exists(const char *path);
/* Whether `path` could be written now, found by trying in its folder; "-" always can. On false,
 * *reason is the system's text. */
bool pare_system_writable(const char *path, const char **reason);
/* Whether both name one regular file or folder, or would once they are there. */
bool pare_system_same(const char *a, const char *b);
/* Makes a folder unless there is one. On false, *reason is the system's text. */
bool pare_system_folder(const char *path, const char **reason);
/* Removes a folder with nothing in it; any other stays. */
void pare_system_remove_empty(const char *path);

/* ---- commands ---- */

extern const pare_command pare_command_select;
extern const pare_command pare_command_apply;
extern const pare_command pare_command_convert;
extern const pare_command pare_command_certify;
extern const pare_command pare_command_compare;
extern const pare_command pare_command_genome;
extern const pare_command pare_command_score;
extern const pare_command pare_command_embed;
extern const pare_command pare_command_train;
extern const pare_command pare_command_serve_cost;
extern const pare_command pare_command_prune;
extern const pare_command pare_command_prune_network;
extern const pare_command pare_command_model;
extern const pare_command pare_command_perplexity;
extern const pare_command pare_command_generate;
extern const pare_command pare_command_latency;
extern const pare_command pare_command_panel;
extern const pare_command pare_command_chem;
extern const pare_command pare_command_info;
extern const pare_command pare_command_options;

#endif
