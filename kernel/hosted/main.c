// SPDX-License-Identifier: GPL-2.0-only
/*
 * bus1-hosted: a hosted core as a daemon
 *
 * The daemon serves one domain on one socket, until SIGTERM or SIGINT.
 */

#include <bus1/hosted.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "kernel/hosted/domain.h"
#include "libbus1/hosted-protocol.h"

static volatile sig_atomic_t main_ended;

static void on_signal(int number)
{
	main_ended = 1;
}

static void usage(FILE *f)
{
	fprintf(f,
		"Usage: bus1-hosted [OPTION...]\n"
		"\n"
		"Host a bus1 core in user space and serve it on a socket.\n"
		"\n"
		"  --socket PATH     the socket [$" BUS1_HOSTED_SOCKET_ENV " or\n"
		"                    " BUS1_HOSTED_SOCKET_PATH "]\n"
		"  --print-ready FD  write a line to this descriptor, and close it, when serving\n"
		"  --help            show this\n"
		"  --version         show the version\n");
}

static int parse_fd(const char *text, int *ret_fd)
{
	unsigned long n;
	char *end;

	errno = 0;
	n = strtoul(text, &end, 10);
	if (errno > 0 || end == text || *end || n > INT_MAX || text[0] == '-')
		return -EINVAL;

	*ret_fd = n;
	return 0;
}

/* Every peer needs descriptors. Programs start with a low limit for the sake of select(). */
static void raise_fd_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;

	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static int print_ready(int fd)
{
	static const char line[] = "ready\n";

	if (write(fd, line, sizeof(line) - 1) != sizeof(line) - 1)
		return -(errno ?: EIO);

	close(fd);
	return 0;
}

static int serve(const char *path, int ready_fd)
{
	struct sigaction action = { .sa_handler = on_signal };
	CLEANUP(bus1_domain_freep) struct bus1_domain *domain = NULL;
	sigset_t blocked, original;
	int r;

	/* Handle SIGTERM and SIGINT only during the wait, so that neither is missed. */
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGTERM);
	sigaddset(&blocked, SIGINT);
	sigprocmask(SIG_BLOCK, &blocked, &original);
	sigdelset(&original, SIGTERM);
	sigdelset(&original, SIGINT);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);

	raise_fd_limit();

	r = bus1_domain_new(&domain);
	if (r < 0) {
		fprintf(stderr, "bus1-hosted: cannot make a core: %s\n", strerror(-r));
		return r;
	}

	r = bus1_domain_listen(domain, path);
	if (r < 0) {
		fprintf(stderr, "bus1-hosted: cannot listen on %s: %s\n", path, strerror(-r));
		return r;
	}

	if (ready_fd >= 0) {
		r = print_ready(ready_fd);
		if (r < 0) {
			fprintf(stderr,
				"bus1-hosted: cannot report readiness on descriptor %d: %s\n",
				ready_fd, strerror(-r));
			return r;
		}
	}

	while (!main_ended) {
		r = hosted_domain_wait(domain, &original);
		if (r < 0 && r != -EINTR) {
			fprintf(stderr, "bus1-hosted: cannot wait for requests: %s\n",
				strerror(-r));
			return r;
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	enum { OPTION_SOCKET = 256, OPTION_PRINT_READY, OPTION_HELP, OPTION_VERSION };
	static const struct option options[] = {
		{ "socket", required_argument, NULL, OPTION_SOCKET },
		{ "print-ready", required_argument, NULL, OPTION_PRINT_READY },
		{ "help", no_argument, NULL, OPTION_HELP },
		{ "version", no_argument, NULL, OPTION_VERSION },
		{},
	};
	const char *path = secure_getenv(BUS1_HOSTED_SOCKET_ENV);
	int ready_fd = -1, option;

	if (!path || !*path)
		path = BUS1_HOSTED_SOCKET_PATH;

	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		switch (option) {
		case OPTION_SOCKET:
			path = optarg;
			break;
		case OPTION_PRINT_READY:
			if (parse_fd(optarg, &ready_fd) < 0) {
				fprintf(stderr,
					"bus1-hosted: --print-ready needs a descriptor number, not "
					"%s\n",
					optarg);
				return EXIT_FAILURE;
			}
			break;
		case OPTION_HELP:
			usage(stdout);
			return EXIT_SUCCESS;
		case OPTION_VERSION:
			puts("bus1-hosted " PROJECT_VERSION);
			return EXIT_SUCCESS;
		default:
			usage(stderr);
			return EXIT_FAILURE;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "bus1-hosted: unexpected argument: %s\n", argv[optind]);
		return EXIT_FAILURE;
	}

	return serve(path, ready_fd) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
