"""
Two numbers of a deep autoencoder tell more than two of PCA
===========================================================

A deep autoencoder gives each image of a handwritten digit two numbers, a code, from
which it makes the image again. It learns without labels. On images that it has not
seen, its code tells digits apart that the first two principal components mix up. For
codes of many numbers, PCA is better.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier

from skebm import BernoulliRBM, DeepAutoencoder

X, y = load_digits(return_X_y=True)
X = (X / 16).astype("float32")
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, random_state=0)

# %%
# Two codes
# ---------
# The autoencoder is trained layer by layer, as a stack of Boltzmann machines. The stack
# is then unrolled to a network and fine-tuned. Codes are compared by the squared error
# of the image that is made of them, and by how often the ten nearest neighbours of a
# test image tell its digit.


def autoencoder(n_code):
    """An autoencoder with a code of so many numbers."""
    return DeepAutoencoder(
        (256, 64, n_code),
        rbm=BernoulliRBM(n_iter=30),
        learning_rate_init=3e-3,
        max_iter=100,
        random_state=0,
    )


def squared_error(images):
    """Mean over the test images of what is summed over the pixels of each."""
    return ((images - X_test) ** 2).sum(axis=1).mean()


codes, made, titles, errors = {}, {}, {}, {}
for name, model in {"PCA": PCA(2), "deep autoencoder": autoencoder(2)}.items():
    codes[name] = model.fit(X_train).transform(X_test)
    made[name] = model.inverse_transform(codes[name])
    errors[name] = [squared_error(made[name])]
    neighbours = KNeighborsClassifier(10).fit(model.transform(X_train), y_train)
    accuracy = neighbours.score(codes[name], y_test)
    titles[name] = (
        f"{name}: squared error {errors[name][0]:.2f},\ndigit right {accuracy:.2f}"
    )
    print(titles[name].replace("\n", " "))

# %%
# The plane of the codes
# ----------------------
# One point for each test image, coloured by the digit that it shows.

figure, axes = plt.subplots(1, 2, figsize=(9, 4.6), layout="constrained")
for axis, (name, H) in zip(axes, codes.items(), strict=True):
    points = axis.scatter(*H.T, c=y_test, cmap="tab10", s=9, vmin=-0.5, vmax=9.5)
    axis.set_title(titles[name], fontsize=10)
    axis.set(xticks=[], yticks=[])
figure.colorbar(points, ax=axes, ticks=range(10), label="digit")
plt.show()

# %%
# Images from two numbers
# -----------------------

rows = {"as they were": X_test, **made}
figure, axes = plt.subplots(3, 10, figsize=(8, 2.7), layout="constrained")
for line, (name, images) in zip(axes, rows.items(), strict=True):
    for digit, axis in enumerate(line):
        first = (y_test == digit).argmax()
        axis.imshow(images[first].reshape(8, 8), cmap="gray_r", vmin=0, vmax=1)
        axis.set(xticks=[], yticks=[])
    line[0].set_ylabel(
        name.replace(" ", "\n"), rotation=0, ha="right", va="center", fontsize=9
    )
plt.show()

# %%
# When PCA is enough
# ------------------
# The longer the code, the less is left for the autoencoder to gain: with 20 numbers and
# more, and 1257 images to learn from, PCA is better, and takes no time.

sizes = [2, 5, 10, 20, 30]
for size in sizes[1:]:
    for name, model in {
        "PCA": PCA(size),
        "deep autoencoder": autoencoder(size),
    }.items():
        code = model.fit(X_train).transform(X_test)
        errors[name].append(squared_error(model.inverse_transform(code)))
    print(f"{size} numbers:", *(f"{name} {e[-1]:.2f}" for name, e in errors.items()))

figure, axis = plt.subplots(figsize=(5, 3), layout="constrained")
for name, values in errors.items():
    axis.plot(sizes, values, "o-", label=name)
axis.set(xlabel="numbers in the code", ylabel="squared error of a test image")
axis.set(xticks=sizes, ylim=(0, None))
axis.legend()
plt.show()
