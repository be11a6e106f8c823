/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Files, and directories of files: relative to the file that includes them, sorted. */

#include "firewall/import/ferm.h"

#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"

int ferm_source_open(struct ferm *f, const char *name, struct ferm_source **ret)
{
        struct ferm_source *s;
        int r;

        for (s = f->sources; s; s = s->next)
                if (streq(s->name, name)) {
                        *ret = s;
                        return 0;
                }
        if (f->files >= FERM_FILES_MAX)
                return -EMFILE;
        s = ferm_alloc(f, sizeof(*s));
        if (!s)
                return -ENOMEM;
        s->name = ferm_text(f, name, strlen(name));
        r = s->name ? file_read(AT_FDCWD, name, FERM_FILE_MAX, &s->text, &s->size) : -ENOMEM;
        if (r < 0)
                return r;
        s->next = f->sources;
        f->sources = s;
        f->files++;
        *ret = s;
        return ferm_tokenize(f, s);
}

int ferm_split(struct ferm *f, const char *path, const char **ret_directory, const char **ret_name)
{
        const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;

        /* ".." at the end is a directory, too. */
        if (slash && streq(name, ".."))
                name += 2;
        else if (slash && streq(name, "."))
                name += 1;
        *ret_directory = ferm_text(f, path, (size_t)(name - path));
        *ret_name = name;
        return *ret_directory ? 0 : -ENOMEM;
}

const char *ferm_directory(struct ferm *f)
{
        const char *name = f->script->source->name, *slash = strrchr(name, '/');

        return slash ? ferm_text(f, name, (size_t)(slash - name) + 1) : "./";
}

/* What dpkg and editors leave behind is not read. */
static int is_read(const struct dirent *entry)
{
        static const char *const left[] = { ".dpkg-old", ".dpkg-dist", ".dpkg-new", ".dpkg-tmp", "~" };

        if (*entry->d_name == '.')
                return 0;
        for (size_t i = 0; i < ELEMENTS(left); i++)
                if (endswith(entry->d_name, left[i]))
                        return 0;
        return 1;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
        return strcmp((*a)->d_name, (*b)->d_name);
}

static int add_path(struct ferm *f, const struct ferm_token *at, const char *path, struct ferm_items *l)
{
        const struct ferm_value *v = ferm_value_text(f, at, ferm_text(f, path, strlen(path)));

        return v ? ferm_items_add(f, l, v) : -ENOMEM;
}

static int add_directory(struct ferm *f, const struct ferm_token *at, const char *path, struct ferm_items *l)
{
        struct dirent **entries = NULL;
        int n = scandir(path, &entries, is_read, by_name), r = 0;

        if (n < 0) {
                f->incomplete = true;
                return ferm_error(f, at, NULL, "cannot read directory '%s': %s", path, strerror(errno));
        }
        for (int i = 0; i < n; i++) {
                _cleanup_free_ char *name = r >= 0 ? path_join("%s%s", path, entries[i]->d_name) : NULL;
                struct stat st;

                if (!name)
                        r = r < 0 ? r : -ENOMEM;
                else if (stat(name, &st) == 0 && S_ISREG(st.st_mode))
                        r = add_path(f, at, name, l);
                free(entries[i]);
        }
        free(entries);
        return r;
}

static int add_file(struct ferm *f, const struct ferm_token *at, const char *path, struct ferm_items *l)
{
        struct stat st;

        if (stat(path, &st) == 0 && S_ISREG(st.st_mode))
                return add_path(f, at, path, l);
        f->incomplete = true;
        if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
                return ferm_error(f, at, "end the name with '/' to include the files of a directory", "'%s' is a directory", path);
        return ferm_error(f, at, "names are relative to the directory of this file", "there is no file '%s'", path);
}

static int collect(struct ferm *f, const struct ferm_token *at, const struct ferm_value *names, struct ferm_items *l)
{
        int r = 0;

        for (size_t i = 0; i < ferm_count(names) && r >= 0; i++) {
                const struct ferm_value *v = ferm_item(names, i);
                _cleanup_free_ char *path = NULL;

                if (v->kind != FERM_TEXT)
                        return ferm_error(f, at, NULL, "the name of a file expected");
                if (endswith(v->text, "|")) {
                        f->incomplete = true;
                        return ferm_error(f, at, "include a file with what the command prints",
                                          "ferm would run the command '%.*s' here; it is not run", (int)strlen(v->text) - 1, v->text);
                }
                path = path_join("%s%s", *v->text == '/' ? "" : ferm_directory(f), v->text);
                if (!path)
                        return -ENOMEM;
                r = endswith(path, "/") ? add_directory(f, at, path, l) : add_file(f, at, path, l);
        }
        return r;
}

static int find_files(struct ferm *f, const struct ferm_token *at, struct ferm_items *l)
{
        bool globbed = ferm_is(ferm_peek(f), "@glob");
        const struct ferm_value *names = NULL;
        int r = ferm_values(f, 0, &names);

        if (r < 0)
                return r;
        if (names->kind == FERM_NOT)
                return ferm_error(f, at, NULL, "the name of a file expected");
        if (!globbed)
                return collect(f, at, names, l);
        /* These paths are whole already. */
        for (size_t i = 0; i < ferm_count(names) && r >= 0; i++)
                r = add_file(f, at, ferm_item(names, i)->text, l);
        return r;
}

static int run(struct ferm *f, struct ferm_level *v, struct ferm_script *script)
{
        const char *name = script->source->name;
        int r = ferm_scope_push(f, true);

        if (r < 0)
                return r;
        f->scope->automatic.filename = name;
        r = ferm_split(f, name, &f->scope->automatic.dirname, &f->scope->automatic.filebname);
        if (r >= 0) {
                f->script = script;
                r = ferm_push(f, script->source->tokens, script->source->n_tokens);
                if (r >= 0)
                        r = ferm_enter(f, v->level + 1, &v->rule);
                f->script = script->parent;
        }
        ferm_scope_pop(f);
        return r;
}

static int include_one(struct ferm *f, struct ferm_level *v, const struct ferm_token *at, const char *name)
{
        struct ferm_script script = { .parent = f->script, .base_level = v->level + 1, .depth = f->script->depth + 1 };
        struct ferm_source *source = NULL;
        int r;

        for (const struct ferm_script *s = f->script; s; s = s->parent)
                if (streq(s->source->name, name))
                        return ferm_error(f, at, NULL, "'%s' includes itself in the end", name);
        if (script.depth > FERM_INCLUDE_DEPTH_MAX)
                return ferm_stop(f, at, "files include each other more than %d deep", FERM_INCLUDE_DEPTH_MAX);
        r = ferm_source_open(f, name, &source);
        if (r == -EMFILE)
                return ferm_stop(f, at, "more than %d files", FERM_FILES_MAX);
        if (r == -ENOMEM || r == -ECANCELED)
                return r;
        if (r < 0) {
                f->incomplete = true;
                return ferm_go_on(ferm_error(f, at, NULL, "cannot read '%s': %s", name, strerror(-r)));
        }
        script.source = source;
        return run(f, v, &script);
}

/* What stands before @include in a rule goes on behind it, too: that is how ferm does it. */
int ferm_include(struct ferm *f, struct ferm_level *v)
{
        _cleanup_items_ struct ferm_items files = {};
        const struct ferm_token *at = ferm_peek(f);
        int r = find_files(f, at ? at : v->token, &files);

        if (r >= 0)
                r = ferm_expect(f, ";", "';' expected: @include ends the rule");
        for (size_t i = 0; i < files.n && r >= 0; i++)
                r = include_one(f, v, at, files.items[i]->text);
        return r;
}
