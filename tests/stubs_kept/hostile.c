/*
 * Another user who may write in a public directory, for so many seconds: hostile DIRECTORY SECONDS TARGET. Takes stubs
 * away, exchanges them, puts directories of its own at their names and links to TARGET beside them, and takes .cloakroom
 * away and brings it back. Prints a line for each thing of its own that it put there and left: what must still be there.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NAMES 4096
#define LETTERS 26

static char names[NAMES][64];

static int list(const char *directory) {
    DIR *open = opendir(directory);
    int found = 0;
    for (struct dirent *entry; open && found < NAMES && (entry = readdir(open));)
        if (strlen(entry->d_name) == LETTERS) memcpy(names[found++], entry->d_name, LETTERS + 1);
    if (open) closedir(open);
    return found;
}

static void write_file(int at, const char *path) {
    int file = openat(at, path, O_CREAT | O_EXCL | O_WRONLY, 0644);
    if (file >= 0 && write(file, "theirs", 6) == 6) close(file);
}

int main(int count, char **arguments) {
    if (count != 4) return 2;
    int root = open(arguments[1], O_DIRECTORY | O_RDONLY);
    if (root < 0) return perror(arguments[1]), 1;
    time_t end = time(NULL) + atoi(arguments[2]);
    unsigned seed = 1;
    for (unsigned long turn = 0; time(NULL) < end; turn++) {
        int found = list(arguments[1]);
        const char *one = found ? names[rand_r(&seed) % found] : "none", *other = found ? names[rand_r(&seed) % found] : "none";
        char path[160], moved[64];
        snprintf(moved, sizeof moved, "moved-%lu", turn);
        switch (rand_r(&seed) % 8) {
        case 0: /* exchanged */
            renameat2(root, one, root, other, RENAME_EXCHANGE);
            break;
        case 1: /* another directory at its name */
            if (renameat(root, one, root, moved) || mkdirat(root, one, 0755)) break;
            snprintf(path, sizeof path, "%s/theirs", one);
            write_file(root, path);
            printf("%s\n", path);
            break;
        case 2: /* a link at its name */
            if (renameat(root, one, root, moved)) break;
            if (!symlinkat(arguments[3], root, one)) printf("%s\n", one);
            break;
        case 3: /* a file at its name */
            if (renameat(root, one, root, moved)) break;
            write_file(root, one);
            printf("%s\n", one);
            break;
        case 4: /* there and back */
            if (!renameat(root, one, root, moved)) renameat(root, moved, root, one);
            break;
        case 5: /* away */
            renameat(root, one, root, moved);
            break;
        case 6: /* beside them */
            snprintf(path, sizeof path, "theirs-%lu", turn);
            if (!symlinkat(arguments[3], root, path)) printf("%s\n", path);
            break;
        default: /* where things are made */
            if (turn % 64) break;
            if (!renameat(root, ".cloakroom", root, moved)) {
                usleep(2000);
                renameat2(root, moved, root, ".cloakroom", RENAME_NOREPLACE);
            }
        }
        fflush(stdout);
        usleep(300);
    }
    return 0;
}
