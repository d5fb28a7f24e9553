"""Which Debian package holds a shared library; names of packages as Debian 12 and 13 have them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

_DRIVER = ("libcuda.so", "libnvidia-", "libnvcuvid.so", "libnvoptix.so", "libze_loader.so")

_EXACT: Mapping[str, str] = MappingProxyType(
    {
        "libEGL.so.1": "libegl1",
        "libGL.so.1": "libgl1",
        "libGLU.so.1": "libglu1-mesa",
        "libGLX.so.0": "libglx0",
        "libGLdispatch.so.0": "libglvnd0",
        "libOpenCL.so.1": "ocl-icd-libopencl1",
        "libOpenGL.so.0": "libopengl0",
        "libICE.so.6": "libice6",
        "libSM.so.6": "libsm6",
        "libX11-xcb.so.1": "libx11-xcb1",
        "libX11.so.6": "libx11-6",
        "libXcomposite.so.1": "libxcomposite1",
        "libXcursor.so.1": "libxcursor1",
        "libXdamage.so.1": "libxdamage1",
        "libXext.so.6": "libxext6",
        "libXfixes.so.3": "libxfixes3",
        "libXi.so.6": "libxi6",
        "libXrandr.so.2": "libxrandr2",
        "libXrender.so.1": "libxrender1",
        "libXss.so.1": "libxss1",
        "libXtst.so.6": "libxtst6",
        "libasound.so.2": "libasound2",
        "libatk-1.0.so.0": "libatk1.0-0",
        "libatomic.so.1": "libatomic1",
        "libblas.so.3": "libblas3",
        "libbz2.so.1.0": "libbz2-1.0",
        "libcairo.so.2": "libcairo2",
        "libcblas.so.3": "libatlas3-base",
        "libcrypt.so.1": "libcrypt1",
        "libcurl.so.4": "libcurl4",
        "libdbus-1.so.3": "libdbus-1-3",
        "libdrm.so.2": "libdrm2",
        "libelf.so.1": "libelf1",
        "libexpat.so.1": "libexpat1",
        "libffi.so.8": "libffi8",
        "libfftw3.so.3": "libfftw3-double3",
        "libfftw3f.so.3": "libfftw3-single3",
        "libfontconfig.so.1": "libfontconfig1",
        "libfreetype.so.6": "libfreetype6",
        "libgbm.so.1": "libgbm1",
        "libgcc_s.so.1": "libgcc-s1",
        "libgdal.so.32": "libgdal32",
        "libgdal.so.36": "libgdal36",
        "libgdk_pixbuf-2.0.so.0": "libgdk-pixbuf-2.0-0",
        "libgeos_c.so.1": "libgeos-c1v5",
        "libgfortran.so.5": "libgfortran5",
        "libgio-2.0.so.0": "libglib2.0-0",
        "libglib-2.0.so.0": "libglib2.0-0",
        "libgmodule-2.0.so.0": "libglib2.0-0",
        "libgmp.so.10": "libgmp10",
        "libgobject-2.0.so.0": "libglib2.0-0",
        "libgomp.so.1": "libgomp1",
        "libgssapi_krb5.so.2": "libgssapi-krb5-2",
        "libgthread-2.0.so.0": "libglib2.0-0",
        "libgtk-3.so.0": "libgtk-3-0",
        "libharfbuzz.so.0": "libharfbuzz0b",
        "libhwloc.so.15": "libhwloc15",
        "libibverbs.so.1": "libibverbs1",
        "libicudata.so.72": "libicu72",
        "libicudata.so.76": "libicu76",
        "libicui18n.so.72": "libicu72",
        "libicui18n.so.76": "libicu76",
        "libicuuc.so.72": "libicu72",
        "libicuuc.so.76": "libicu76",
        "libjpeg.so.62": "libjpeg62-turbo",
        "libkrb5.so.3": "libkrb5-3",
        "liblapack.so.3": "liblapack3",
        "liblcms2.so.2": "liblcms2-2",
        "liblz4.so.1": "liblz4-1",
        "liblzma.so.5": "liblzma5",
        "libmagic.so.1": "libmagic1",
        "libmariadb.so.3": "libmariadb3",
        "libmpfr.so.6": "libmpfr6",
        "libnsl.so.2": "libnsl2",
        "libnspr4.so": "libnspr4",
        "libnss3.so": "libnss3",
        "libnuma.so.1": "libnuma1",
        "libodbc.so.2": "libodbc2",
        "libomp.so.5": "libomp5",
        "libopenblas.so.0": "libopenblas0",
        "libopenjp2.so.7": "libopenjp2-7",
        "libpango-1.0.so.0": "libpango-1.0-0",
        "libpangocairo-1.0.so.0": "libpangocairo-1.0-0",
        "libpangoft2-1.0.so.0": "libpangoft2-1.0-0",
        "libpng16.so.16": "libpng16-16",
        "libportaudio.so.2": "libportaudio2",
        "libpq.so.5": "libpq5",
        "libproj.so.25": "libproj25",
        "libpulse.so.0": "libpulse0",
        "libquadmath.so.0": "libquadmath0",
        "librdmacm.so.1": "librdmacm1",
        "libsasl2.so.2": "libsasl2-2",
        "libsndfile.so.1": "libsndfile1",
        "libsnappy.so.1": "libsnappy1v5",
        "libsodium.so.23": "libsodium23",
        "libsox.so.3": "libsox3",
        "libsqlite3.so.0": "libsqlite3-0",
        "libssl.so.3": "libssl3",
        "libcrypto.so.3": "libssl3",
        "libstdc++.so.6": "libstdc++6",
        "libsystemd.so.0": "libsystemd0",
        "libtbb.so.12": "libtbb12",
        "libtbbmalloc.so.2": "libtbbmalloc2",
        "libtesseract.so.5": "libtesseract5",
        "libtiff.so.6": "libtiff6",
        "libtirpc.so.3": "libtirpc3",
        "libudev.so.1": "libudev1",
        "libunwind.so.8": "libunwind8",
        "libusb-1.0.so.0": "libusb-1.0-0",
        "libuuid.so.1": "libuuid1",
        "libwebp.so.7": "libwebp7",
        "libxcb.so.1": "libxcb1",
        "libxkbcommon.so.0": "libxkbcommon0",
        "libxml2.so.2": "libxml2",
        "libxslt.so.1": "libxslt1.1",
        "libz.so.1": "zlib1g",
        "libzmq.so.5": "libzmq5",
        "libzstd.so.1": "libzstd1",
    }
)

_LATER: Mapping[str, str] = MappingProxyType(
    {
        "libasound2": "libasound2t64",
        "libatk1.0-0": "libatk1.0-0t64",
        "libcurl4": "libcurl4t64",
        "libelf1": "libelf1t64",
        "libgeos-c1v5": "libgeos-c1t64",
        "libglib2.0-0": "libglib2.0-0t64",
        "libgtk-3-0": "libgtk-3-0t64",
        "libmagic1": "libmagic1t64",
        "libpng16-16": "libpng16-16t64",
        "librdmacm1": "librdmacm1t64",
        "libssl3": "libssl3t64",
        "libtirpc3": "libtirpc3t64",
    }
)
"""Names that changed with Debian 13, where times of 64 bits made libraries incompatible."""

_PYTHON = re.compile(r"libpython(3\.\d+)\.so\.1\.0\Z")
_XCB = re.compile(r"libxcb-([a-z0-9]+)\.so\.(\d+)\Z")


def debian_package(library: str, base: str) -> str | None:
    """Return the Debian package that holds a library, by the name it has where the base comes from; None if unknown.

    A base whose name says neither Debian 12 nor older is taken for a later one.
    """
    if found := _PYTHON.match(library):
        return f"libpython{found[1]}"
    if found := _XCB.match(library):
        return f"libxcb-{found[1]}{found[2]}"
    name = _EXACT.get(library)
    while name is None and re.search(r"\.so\.\d+\.", library):  # some ask for libgomp.so.1.0.0
        library = library.rpartition(".")[0]
        name = _EXACT.get(library)
    if name is None or re.search(r"debian-?1[012]\b|bookworm|bullseye|buster", base):
        return name
    return _LATER.get(name, name)


def is_of_driver(library: str) -> bool:
    """Tell whether a library belongs to an accelerator's driver, which the host lends to containers."""
    return library.startswith(_DRIVER)
