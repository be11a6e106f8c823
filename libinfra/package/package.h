/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Debian packages inside a root: release switch, upgrade, repair, end-state check. How a command gets into
 * the root is the caller's matter (attach, later chroot), so this driver knows no container.
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/error.h"
#include "base/str.h"

/*
 * How to run a command in the guest. Must return 0 with the status written, or a negative errno: -ENOENT when
 * there is no such program, -ETIME when it was ended after timeout_ms (with everything it had started).
 * stdout and stderr go to @output when that is not -1, else, with @ret_output set, there (allocated, up to
 * 1 MB). stdin is /dev/null. @environment is what the command needs; of the caller's own nothing else should
 * be handed on (http_proxy, APT_CONFIG, DEBCONF_* would reach maintainer scripts).
 */
struct guest {
        int (*run)(void *userdata, const char *const argv[], const char *const environment[], int output,
                   char **ret_output, int64_t timeout_ms, int *ret_status, infra_error **reterr);
        void *userdata;
        const char *rootfs; /* of the guest, seen from the host; files are opened beneath it without following links out */
};

struct source_rule; /* estate/estate.h */

struct package_sources {
        const char *release;
        const char *mirror;
        const char *security_mirror; /* "" = none: security entries are disabled */
        const char *proxy;           /* or NULL */
        const struct source_rule *rules; /* of sources that are not Debian's own */
        size_t n_rules;
};

/* VERSION_CODENAME of etc/os-release beneath the root, allocated. */
int package_release(const char *rootfs, char **ret, infra_error **reterr);

/*
 * Points the root's own Debian sources (one-line and deb822, suites and -updates/-security/-backports/
 * -proposed-updates) to the release and to the mirrors of @to (a mirror of NULL: the address that stands
 * there). Entries that are not Debian's are treated as @to's rules say; those without a rule, and those that have no counterpart in the release (sid, a newer release), are
 * disabled with a note that begins with "# infra: ". When nothing of Debian's own is left, sources.list gets
 * the release. Old files are kept as *.before-<release>, the first of them for good. Idempotent, and to be
 * called again after a run that was killed. -EINVAL: unknown release, or a source that is no regular file.
 */
int package_switch(const struct guest *g, const struct package_sources *to, infra_error **reterr);

/*
 * Brings the guest to what its sources offer: waits for a foreign dpkg lock, repairs what an interrupted
 * run left (dpkg --configure -a, update, apt-get -f install), full-upgrade, autoremove of nothing. All
 * questions answered (noninteractive, confdef, confold). The guest's daily apt runs are masked meanwhile.
 * Everything goes to @transcript, each command's line first ("$ apt-get ..."); when that is a regular file,
 * errors say what apt and dpkg said. @limit_ms is for the whole. @proxy may be NULL (the guest's own).
 * -EREMOTEIO: a command failed; -EBUSY: somebody else holds a lock; -ETIME: over the limit.
 */
int package_upgrade(const struct guest *g, const char *proxy, int transcript, int64_t limit_ms, infra_error **reterr);

/* What the end state is, not what apt said. */
struct package_state {
        char *release;
        struct strlist broken;  /* lines of dpkg --audit and not-installed states */
        struct strlist missing; /* of `essential`: not installed any more */
        struct strlist installed; /* names of all that are installed */
};
void package_state_done(struct package_state *s);
/* @essential: names that must be installed, or NULL. A guest that cannot be asked is an error, not a state. */
int package_observe(const struct guest *g, const struct strlist *essential, struct package_state *ret,
                    infra_error **reterr);
/* 0 when release reached, nothing broken, nothing missing; else -EREMOTEIO with all that is wrong. */
int package_check(const struct package_state *s, const char *release, infra_error **reterr);
/*
 * Keeps services from being started by package scripts in a root without an init: policy-rc.d says so while @forbid;
 * one of the guest's own is put aside meanwhile and comes back. Idempotent.
 */
int package_services_forbid(const struct guest *g, bool forbid, infra_error **reterr);
/* Files beneath /etc that a package brought beside one that was changed ("/etc/x.dpkg-dist", ".ucf-dist"), sorted. */
int package_conffiles(const struct guest *g, struct strlist *ret, infra_error **reterr);
/*
 * Settles one such file: @use "new": the package's takes the place of the guest's, which is kept as *.before-upgrade;
 * "keep": the package's goes; otherwise @text is what the file shall be (a merged one). Nothing there: 0.
 */
int package_conffile_settle(const struct guest *g, const char *path, const char *use, const char *text, infra_error **reterr);
/* Packages that own a listening service or are essential to us: names installed now that must stay. */
int package_keep_list(const struct guest *g, struct strlist *ret, infra_error **reterr);

/*
 * Whether the mirror answers for the release (HTTP GET of dists/<release>/InRelease through the proxy),
 * from the host; of the security mirror, too. The answer must be a signed Release file of that release.
 * Error with address, proxy and reason. No proxy of our own environment takes part. Threads: see probe/probe.h
 * about curl_global_init.
 */
int package_mirror_check(const struct package_sources *s, int64_t timeout_ms, infra_error **reterr);

#define _cleanup_package_state_ CLEANUP(package_state_done)
