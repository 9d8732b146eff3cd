using System.Numerics;

namespace Hearth.Runtime.Tests.Support;

/// <summary>
/// numpy's <c>Generator(PCG64(seed)).standard_normal(dtype=float32)</c>, bit for bit: SeedSequence (O'Neill's seed_seq
/// with a pool of four words), PCG XSL-RR 128/64 (O'Neill 2014), and a ziggurat of 256 layers (Marsaglia and Tsang 2000).
/// </summary>
public sealed class NumpyGenerator
{
    private static readonly UInt128 Multiplier = new(2549297995355413924, 4865540595714422341);

    private readonly UInt128 _increment;
    private UInt128 _state;
    private uint _spare;
    private bool _hasSpare;

    /// <summary>Seeds the generator with one integer.</summary>
    public NumpyGenerator(ulong seed)
    {
        var words = SeedWords(seed);
        var (state, sequence) = (new UInt128(words[0], words[1]), new UInt128(words[2], words[3]));
        _increment = (sequence << 1) | 1;
        Step();
        _state += state;
        Step();
    }

    /// <summary>Fills with standard normal numbers.</summary>
    public void StandardNormal(Span<float> numbers)
    {
        foreach (ref var number in numbers)
            number = NextNormal();
    }

    private float NextNormal()
    {
        while (true)
        {
            var bits = NextUInt32();
            var layer = (int)(bits & 0xFF);
            var magnitude = (bits >> 9) & 0x7FFFFF;
            var x = magnitude * Ziggurat.Width[layer];
            if ((bits & 0x100) != 0)
                x = -x;
            if (magnitude < Ziggurat.Inside[layer])
                return x;
            if (layer == 0)
                return Tail((magnitude & 0x100) != 0);
            var height = (Ziggurat.Height[layer - 1] - Ziggurat.Height[layer]) * NextFloat() + Ziggurat.Height[layer];
            if (height < Math.Exp(-0.5 * x * x))
                return x;
        }
    }

    private float Tail(bool negative)
    {
        while (true)
        {
            var x = (float)-Ziggurat.InverseStart * SingleLog1p.Evaluate(-NextFloat());
            var y = -SingleLog1p.Evaluate(-NextFloat());
            if (y + y > x * x)
                return negative ? -((float)Ziggurat.Start + x) : (float)Ziggurat.Start + x;
        }
    }

    private float NextFloat() => (NextUInt32() >> 8) * (1.0f / 16777216.0f);

    private uint NextUInt32()
    {
        if (_hasSpare)
        {
            _hasSpare = false;
            return _spare;
        }

        Step();
        var (high, low) = ((ulong)(_state >> 64), (ulong)_state);
        var both = BitOperations.RotateRight(high ^ low, (int)(high >> 58));
        (_spare, _hasSpare) = ((uint)(both >> 32), true);
        return (uint)both;
    }

    private void Step() => _state = _state * Multiplier + _increment;

    private static ulong[] SeedWords(ulong seed)
    {
        const int poolSize = 4;
        uint[] entropy = seed >> 32 == 0 ? [(uint)seed] : [(uint)seed, (uint)(seed >> 32)];
        var pool = new uint[poolSize];
        var constant = 0x43b0d7e5u;
        for (var i = 0; i < poolSize; i++)
            pool[i] = Hash(i < entropy.Length ? entropy[i] : 0, ref constant, 0x931e8875);
        for (var source = 0; source < poolSize; source++)
        {
            for (var target = 0; target < poolSize; target++)
            {
                if (source != target)
                    pool[target] = Mix(pool[target], Hash(pool[source], ref constant, 0x931e8875));
            }
        }

        constant = 0x8b51f9dd;
        var words = new ulong[4];
        for (var i = 0; i < 2 * words.Length; i++)
            words[i / 2] |= (ulong)Hash(pool[i % poolSize], ref constant, 0x58f38ded) << (32 * (i % 2));
        return words;
    }

    private static uint Hash(uint value, ref uint constant, uint multiplier)
    {
        value ^= constant;
        constant *= multiplier;
        value *= constant;
        return value ^ (value >> 16);
    }

    private static uint Mix(uint x, uint y)
    {
        var mixed = 0xca01f9ddu * x - 0x4973f715u * y;
        return mixed ^ (mixed >> 16);
    }

    /// <summary>
    /// log(1 + x) in single precision as the C libraries that numpy runs on round it (fdlibm; up to one unit off the
    /// nearest float): with 1 + x = 2^k (1 + f) and s = f / (2 + f), log(1 + f) = f - f²/2 + s (f²/2 + R(s²)).
    /// </summary>
    private static class SingleLog1p
    {
        private const float Log2High = 6.9313812256e-01f;
        private const float Log2Low = 9.0580006145e-06f;

        // The minimax coefficients of R, lowest power first.
        private static readonly float[] Coefficients =
        [
            6.6666668653e-01f, 4.0000000596e-01f, 2.8571429849e-01f, 2.2222198546e-01f,
            1.8183572590e-01f, 1.5313838422e-01f, 1.4798198640e-01f,
        ];

        /// <summary>For -1 &lt; x &lt;= 0.</summary>
        public static float Evaluate(float x)
        {
            if (x > -1f / (1 << 29))
                return x;
            if (x > -0.29289323f)
            {
                var half = 0.5f * x * x;
                return x - (half - Correction(x, half));
            }

            var u = 1 + x;
            var lost = (x - (u - 1)) / u;
            var bits = BitConverter.SingleToInt32Bits(u);
            var k = (bits >> 23) - 127;
            var mantissa = bits & 0x7FFFFF;
            // f lies between sqrt(1/2) - 1 and sqrt(2) - 1.
            var above = mantissa >= 0x3504F7;
            k += above ? 1 : 0;
            var f = BitConverter.Int32BitsToSingle(mantissa | (above ? 0x3F000000 : 0x3F800000)) - 1;
            var (high, low) = (k * Log2High, k * Log2Low + lost);
            if (f == 0)
                return high + low;
            var halfSquare = 0.5f * f * f;
            if ((above ? 0x800000 - mantissa >> 2 : mantissa) == 0)
                return high - (halfSquare * (1 - 0.66666666666666666f * f) - low - f);
            return high - (halfSquare - (Correction(f, halfSquare) + low) - f);
        }

        private static float Correction(float f, float halfSquare)
        {
            var s = f / (2 + f);
            var z = s * s;
            var r = 0f;
            for (var i = Coefficients.Length - 1; i >= 0; i--)
                r = Coefficients[i] + (i == Coefficients.Length - 1 ? 0 : z * r);
            return s * (halfSquare + z * r);
        }
    }

    /// <summary>Layers of equal area under exp(-x²/2), for magnitudes of 23 bits.</summary>
    private static class Ziggurat
    {
        /// <summary>Where the tail starts: the x of the lowest layer.</summary>
        public const double Start = 3.6541528853610087963519472518;

        /// <summary>1 / <see cref="Start"/>.</summary>
        public const double InverseStart = 0.27366123732975827203338247596;

        // The rectangle below the lowest layer plus the tail beyond it.
        private const double Area = 0.004928673233974658;
        private const double Scale = 1 << 23;

        public static readonly float[] Width = new float[256];
        public static readonly float[] Height = new float[256];
        public static readonly uint[] Inside = new uint[256];

        static Ziggurat()
        {
            var x = new double[256];
            x[255] = Start;
            for (var i = 254; i > 0; i--)
                x[i] = Math.Sqrt(-2 * Math.Log(Area / x[i + 1] + Density(x[i + 1])));
            for (var i = 1; i < 256; i++)
            {
                Width[i] = (float)(x[i] / Scale);
                Height[i] = (float)Density(x[i]);
                Inside[i] = (uint)Math.Round(x[i - 1] / x[i] * Scale);
            }

            Width[0] = (float)(Area / Density(Start) / Scale);
            Height[0] = 1;
            Inside[0] = (uint)Math.Round(Start * Density(Start) / Area * Scale);
        }

        private static double Density(double x) => Math.Exp(-0.5 * x * x);
    }
}
