/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Debian packages inside a root: release switch, upgrade, repair, end-state check. How a command gets into
 * the root is the caller's matter (attach, later chroot), so this driver knows no container.
 */

#include <stdint.h>
#include <stdio.h>

#include "base/error.h"
#include "base/str.h"

/* How to run a command in the guest. Must return 0 with the status written, or a negative errno. */
struct guest {
        int (*run)(void *userdata, const char *const argv[], const char *const environment[], int output,
                   char **ret_output, int64_t timeout_ms, int *ret_status, infra_error **reterr);
        void *userdata;
        const char *rootfs; /* of the guest, seen from the host; files are opened beneath it without following links out */
};

struct package_sources {
        const char *release;
        const char *mirror;
        const char *security_mirror; /* "" = none */
        const char *proxy;           /* or NULL */
};

/* VERSION_CODENAME of etc/os-release beneath the root, allocated. */
int package_release(const char *rootfs, char **ret, infra_error **reterr);

/*
 * Points the root's own Debian sources (one-line and deb822, suites and -updates/-security/-backports) to
 * the release. Third-party entries are disabled with a note that names this program. Old files are kept as
 * *.before-<release>. Idempotent.
 */
int package_switch(const struct guest *g, const struct package_sources *to, infra_error **reterr);

/*
 * Brings the guest to what its sources offer: waits for a foreign dpkg lock, repairs what an interrupted
 * run left (dpkg --configure -a, apt-get -f install), update, full-upgrade, autoremove of nothing. All
 * questions answered (noninteractive, confdef, confold). Everything goes to @transcript.
 */
int package_upgrade(const struct guest *g, const char *proxy, int transcript, int64_t limit_ms, infra_error **reterr);

/* What the end state is, not what apt said. */
struct package_state {
        char *release;
        struct strlist broken;  /* lines of dpkg --audit and not-installed states */
        struct strlist missing; /* of `essential`: not installed any more */
};
void package_state_done(struct package_state *s);
int package_observe(const struct guest *g, const struct strlist *essential, struct package_state *ret,
                    infra_error **reterr);
/* 0 when release reached, nothing broken, nothing missing; else -EREMOTEIO with all that is wrong. */
int package_check(const struct package_state *s, const char *release, infra_error **reterr);
/* Packages that own a listening service or are essential to us: names installed now that must stay. */
int package_keep_list(const struct guest *g, struct strlist *ret, infra_error **reterr);

/*
 * Whether the mirror answers for the release (HTTP GET of dists/<release>/InRelease through the proxy),
 * from the host. Error with address, proxy and reason.
 */
int package_mirror_check(const struct package_sources *s, int64_t timeout_ms, infra_error **reterr);

#define _cleanup_package_state_ CLEANUP(package_state_done)
