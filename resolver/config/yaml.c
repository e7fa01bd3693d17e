#include "resolver/config/yaml.h"

#include <string.h>
#include <yaml.h>

struct builder {
    yaml_parser_t parser;
    struct arena *arena;
    struct faults *faults;
    const char *text;
    size_t len;
    struct yaml_node *stack[YAML_DEPTH_MAX];
    size_t depth;
    struct yaml_node *root;
    const char *key; /* read, and waiting for its value */
    unsigned key_line, key_column;
    size_t nodes;
    unsigned documents;
    bool failed;
};

static void fault_at(struct builder *builder, const yaml_mark_t *mark, const char *words)
{
    faults_add(builder->faults, (unsigned)mark->line + 1, (unsigned)mark->column + 1, "%s", words);
    builder->failed = true;
}

/* libyaml's words, made plainer where people often meet them. */
static void parser_fault(struct builder *builder)
{
    const yaml_parser_t *parser = &builder->parser;
    const yaml_mark_t *mark = &parser->problem_mark;
    const char *problem = parser->problem ? parser->problem : "cannot be read as YAML";

    builder->failed = true;
    if (parser->error == YAML_MEMORY_ERROR) {
        builder->arena->failed = true;
    } else if (parser->error == YAML_READER_ERROR) {
        unsigned line = 1;
        size_t end = parser->problem_offset < builder->len ? parser->problem_offset : builder->len;
        const char *start = builder->text;
        for (size_t i = 0; i < end; i++) {
            if (builder->text[i] == '\n') {
                line++;
                start = builder->text + i + 1;
            }
        }
        faults_add(builder->faults, line, (unsigned)(builder->text + end - start) + 1,
                   "%s; the file must be plain UTF-8 text", problem);
    } else if (mark->index < builder->len && strstr(problem, "cannot start any token") &&
               memchr(builder->text, '\t', builder->len)) {
        fault_at(builder, mark,
                 "a tab or another character that cannot begin a value; "
                 "indent with spaces, and put such text in quotes");
    } else {
        faults_add(builder->faults, (unsigned)mark->line + 1, (unsigned)mark->column + 1, "%s%s%s",
                   problem, parser->context ? ", " : "", parser->context ? parser->context : "");
    }
}

static struct yaml_node *node_add(struct builder *builder, enum yaml_kind kind,
                                  const yaml_mark_t *mark)
{
    struct yaml_node *parent = builder->depth ? builder->stack[builder->depth - 1] : NULL;
    struct yaml_node *node;

    if (++builder->nodes > YAML_NODES_MAX) {
        fault_at(builder, mark, "the file has too many values");
        return NULL;
    }
    node = arena_take(builder->arena, 1, sizeof *node);
    if (!node) {
        builder->failed = true;
        return NULL;
    }
    node->kind = kind;
    node->text = "";
    node->line = (unsigned)mark->line + 1;
    node->column = (unsigned)mark->column + 1;
    if (!parent) {
        builder->root = node;
        return node;
    }
    if (parent->kind == YAML_MAP) {
        node->key = builder->key;
        node->key_line = builder->key_line;
        node->key_column = builder->key_column;
        builder->key = NULL;
    }
    if (parent->last)
        parent->last->next = node;
    else
        parent->first = node;
    parent->last = node;
    parent->count++;
    return node;
}

static bool waits_for_key(const struct builder *builder)
{
    return builder->depth && builder->stack[builder->depth - 1]->kind == YAML_MAP && !builder->key;
}

static void scalar_add(struct builder *builder, const yaml_event_t *event)
{
    const char *value = (const char *)event->data.scalar.value;
    size_t len = event->data.scalar.length;
    const char *text;
    struct yaml_node *node;

    if (event->data.scalar.anchor || event->data.scalar.tag) {
        fault_at(builder, &event->start_mark, "anchors (&) and tags (!) are not used in this file");
        return;
    }
    if (memchr(value, '\0', len)) {
        fault_at(builder, &event->start_mark, "a zero octet in a value");
        return;
    }
    text = arena_text(builder->arena, value, len);
    if (!text) {
        builder->failed = true;
        return;
    }
    if (waits_for_key(builder)) {
        builder->key = text;
        builder->key_line = (unsigned)event->start_mark.line + 1;
        builder->key_column = (unsigned)event->start_mark.column + 1;
        return;
    }
    node = node_add(builder, YAML_SCALAR, &event->start_mark);
    if (node) {
        node->text = text;
        node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    }
}

static void container_open(struct builder *builder, enum yaml_kind kind, const yaml_event_t *event,
                           bool marked)
{
    struct yaml_node *node;

    if (marked) {
        fault_at(builder, &event->start_mark, "anchors (&) and tags (!) are not used in this file");
    } else if (waits_for_key(builder)) {
        fault_at(builder, &event->start_mark, "a key must be a word");
    } else if (builder->depth == YAML_DEPTH_MAX) {
        fault_at(builder, &event->start_mark, "nested too deeply");
    } else {
        node = node_add(builder, kind, &event->start_mark);
        if (node)
            builder->stack[builder->depth++] = node;
    }
}

/* False when the stream has ended. */
static bool event_take(struct builder *builder, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (++builder->documents > 1)
            fault_at(builder, &event->start_mark,
                     "a second document (\"---\") begins here; the file must be one");
        else if (event->data.document_start.tag_directives.start !=
                 event->data.document_start.tag_directives.end)
            fault_at(builder, &event->start_mark, "tag directives are not used in this file");
        break;
    case YAML_ALIAS_EVENT:
        fault_at(builder, &event->start_mark, "aliases (*) are not used in this file");
        break;
    case YAML_SCALAR_EVENT:
        scalar_add(builder, event);
        break;
    case YAML_SEQUENCE_START_EVENT:
        container_open(builder, YAML_LIST, event,
                       event->data.sequence_start.anchor || event->data.sequence_start.tag);
        break;
    case YAML_MAPPING_START_EVENT:
        container_open(builder, YAML_MAP, event,
                       event->data.mapping_start.anchor || event->data.mapping_start.tag);
        break;
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        builder->depth--;
        break;
    case YAML_STREAM_END_EVENT:
        return false;
    default:
        break;
    }
    return !builder->failed;
}

struct yaml_node *yaml_read(const char *text, size_t len, struct arena *arena,
                            struct faults *faults)
{
    struct builder builder = {.arena = arena, .faults = faults, .text = text, .len = len};
    bool more = true;

    if (len > YAML_TEXT_MAX) {
        faults_add(faults, 0, 0, "larger than %d MiB", YAML_TEXT_MAX >> 20);
        return NULL;
    }
    if (!yaml_parser_initialize(&builder.parser)) {
        arena->failed = true;
        return NULL;
    }
    yaml_parser_set_input_string(&builder.parser, (const unsigned char *)text, len);
    yaml_parser_set_encoding(&builder.parser, YAML_UTF8_ENCODING);
    while (more) {
        yaml_event_t event;
        if (!yaml_parser_parse(&builder.parser, &event)) {
            parser_fault(&builder);
            break;
        }
        more = event_take(&builder, &event);
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&builder.parser);
    return builder.failed ? NULL : builder.root;
}
