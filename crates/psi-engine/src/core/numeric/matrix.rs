//! A matrix whose rows are slices.

use ndarray::{Array2, ArrayView2};

/// A matrix in row-major order, so that each row is one slice and loops over it run in memory order.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix(Array2<f64>);

impl Matrix {
    /// A matrix of zeros.
    pub fn zeros(rows: usize, columns: usize) -> Self {
        Self(Array2::zeros((rows, columns)))
    }

    /// (rows, columns).
    pub fn shape(&self) -> (usize, usize) {
        self.0.dim()
    }

    /// The matrix as ndarray sees it.
    pub fn view(&self) -> ArrayView2<'_, f64> {
        self.0.view()
    }

    /// All numbers, row by row.
    pub fn numbers(&self) -> &[f64] {
        self.0.as_slice().expect("row-major by construction")
    }

    /// All numbers, row by row.
    pub fn numbers_mut(&mut self) -> &mut [f64] {
        self.0.as_slice_mut().expect("row-major by construction")
    }

    /// The rows, first to last.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[f64]> {
        let columns = self.shape().1;
        (0..self.shape().0).map(move |row| &self.numbers()[row * columns..(row + 1) * columns])
    }

    /// The rows, first to last; none if a row is empty.
    pub fn rows_mut(&mut self) -> impl Iterator<Item = &mut [f64]> {
        let columns = self.shape().1;
        self.numbers_mut().chunks_exact_mut(columns.max(1))
    }
}

impl From<Array2<f64>> for Matrix {
    /// Takes the numbers as they are, copying them only if the array isn't in row-major order.
    fn from(array: Array2<f64>) -> Self {
        if array.is_standard_layout() { Self(array) } else { Self(array.as_standard_layout().into_owned()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{ShapeBuilder, array};

    #[test]
    fn rows_are_rows_whatever_the_layout() {
        let by_rows = array![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]];
        let by_columns = Array2::from_shape_vec((2, 3).f(), vec![1.0, 4.0, 2.0, 5.0, 3.0, 6.0]).unwrap();
        assert_eq!(by_rows, by_columns);
        for array in [by_rows, by_columns] {
            let matrix = Matrix::from(array);
            assert_eq!(matrix.rows().collect::<Vec<_>>(), [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]);
            assert_eq!(matrix.shape(), (2, 3));
        }
    }

    #[test]
    fn an_empty_row_is_a_row() {
        assert_eq!(Matrix::zeros(2, 0).rows().collect::<Vec<_>>(), [[0.0; 0]; 2]);
    }
}
